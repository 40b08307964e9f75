-- rq/rate_limits: RQ's rate limits. Each has a number of slots, and jobs that wait for one. Only the dialect rq has
-- them.

local MAX_ADMITTED = 100

-- Returns true if these two fields of a job's record are a rate limit, by RQ's rules. A limit does not hold while one
-- of its keys has a wrong type.
local function has_rate_limit(limit, concurrency)
  if not limit or limit == '' or not concurrency or not string.find(concurrency, '^%d+$') then return false end
  return type(redis.pcall('ZCARD', limit_slots_key(limit))) == 'number'
    and type(redis.pcall('ZCARD', limit_waiting_key(limit))) == 'number'
    and type(redis.pcall('HLEN', limit_key(limit))) == 'number'
    and type(redis.pcall('SCARD', LIMIT_NAMES)) == 'number'
end

local function write_limit(limit, concurrency)
  redis.call('SADD', LIMIT_NAMES, limit)
  redis.call('HSET', limit_key(limit), 'concurrency', concurrency)
end

-- Returns the number of slots of a limit, 0 if it is unknown. A hash that was deleted is restored from a waiting job.
local function read_or_restore_concurrency(limit)
  local concurrency = redis.pcall('HGET', limit_key(limit), 'concurrency')
  if concurrency then return type(concurrency) == 'string' and tonumber(concurrency) or 0 end
  local waiting = redis.pcall('ZRANGE', limit_waiting_key(limit), 0, MAX_ADMITTED - 1)
  for _, id in ipairs(waiting.err and {} or waiting) do
    local job = redis.pcall('HMGET', JOB_PREFIX .. id, 'rate_limit_key', 'rate_limit_concurrency')
    if job[1] == limit and has_rate_limit(limit, job[2]) then
      write_limit(limit, job[2])
      return tonumber(job[2])
    end
  end
  return 0
end

-- Gives a free slot of the limit to the job that waits longest. Returns nothing if no slot is free or no job waits;
-- else true, or false if its queue's key has a wrong type. A job that was requeued while it runs is passed over until
-- its execution has stopped, which still uses its slot: otherwise two executions would share one.
local function admit_next(limit, concurrency, enqueued_at, passed_over)
  local slots = limit_slots_key(limit)
  local used = redis.pcall('ZCARD', slots)
  local first = type(used) == 'number' and used < concurrency and redis.pcall('ZPOPMIN', limit_waiting_key(limit)) or {}
  local id, score = first[1], first[2]
  if not id then return end
  local job = redis.pcall('HMGET', JOB_PREFIX .. id, 'status', 'origin', 'enqueue_at_front')
  if job[1] ~= 'rate_limited' or not job[2] then return true end
  local list = list_key(job[2])
  local is_list = type(redis.pcall('LLEN', list)) == 'number'
  if is_list and not is_running(id) then
    redis.call('ZADD', slots, redis.call('TIME')[1], id)
    put_in_queue(id, list, enqueued_at, job[3] == '1')
  else
    passed_over[#passed_over + 1], passed_over[#passed_over + 2] = score, id
  end
  return is_list
end

-- Gives free slots of the limit to the jobs that wait for it, oldest first, and puts these into their queues. Jobs
-- beyond MAX_ADMITTED are left to maintenance.
local function admit_waiting(limit, enqueued_at)
  local concurrency = read_or_restore_concurrency(limit)
  local passed_over = {}
  for _ = 1, MAX_ADMITTED do
    if not admit_next(limit, concurrency, enqueued_at, passed_over) then break end
  end
  if #passed_over > 0 then redis.call('ZADD', limit_waiting_key(limit), unpack(passed_over)) end
end

-- Puts a job with a rate limit behind the others that wait for one of the limit's slots, and admits whichever jobs
-- are next. A slot that the job still has is kept for an execution that has not stopped, and freed otherwise.
local function queue_for_limit(id, limit, concurrency, enqueued_at, at_front)
  local key = JOB_PREFIX .. id
  write_limit(limit, concurrency)
  redis.call('HSET', key, 'status', 'rate_limited', 'enqueued_at', enqueued_at)
  if at_front then redis.call('HSET', key, 'enqueue_at_front', '1') end
  redis.call('ZADD', limit_waiting_key(limit), redis.call('TIME')[1], id)
  if not is_running(id) then redis.pcall('ZREM', limit_slots_key(limit), id) end
  admit_waiting(limit, enqueued_at)
end

-- Returns true if the job may not be claimed: it has a rate limit, but no slot, or another execution of it uses the slot.
local function must_wait_for_limit(id, limit, concurrency)
  return has_rate_limit(limit, concurrency)
    and (not redis.pcall('ZSCORE', limit_slots_key(limit), id) or is_running(id))
end

-- Frees the job's slot, unless an execution uses it, and admits the next job.
local function free_limit_slot(id, limit, enqueued_at)
  if is_running(id) then return end
  if redis.pcall('ZREM', limit_slots_key(limit), id) == 1 and enqueued_at then admit_waiting(limit, enqueued_at) end
end

-- A job that leaves its queue stops waiting for a slot, and frees its own.
local function leave_rate_limit(id, limit, enqueued_at)
  if type(limit) ~= 'string' or limit == '' then return end
  redis.pcall('ZREM', limit_waiting_key(limit), id)
  free_limit_slot(id, limit, enqueued_at)
end

-- Ends an execution that has lost its job (requeued, deleted or taken over meanwhile), and frees its slot unless the
-- job needs it again.
local function end_fenced_execution(id, execution, worker, enqueued_at)
  local stored = redis.pcall('HGET', execution_key(id .. ':' .. execution), 'rate_limit_key')
  delete_execution(id, execution, worker)
  local job = redis.pcall('HMGET', JOB_PREFIX .. id, 'status', 'rate_limit_key')
  local limit = type(stored) == 'string' and stored or job[2]
  if job[1] == 'queued' or job[1] == 'started' or type(limit) ~= 'string' then return end
  free_limit_slot(id, limit, enqueued_at)
end
