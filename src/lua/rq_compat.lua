-- rq_compat: what only the dialect rq has: the keys that RQ's tools read, dependents, groups, rate limits. It is put
-- in front of the scripts that need it. In the native dialect rq_init gets no patterns, and none of this is written.
--
-- KEYS none of its own: keys are made of the patterns that rq_init gets, in this order: stream of results,
-- execution, executions of a job, executions of a worker, dependents, dependencies, group, slots of a rate limit,
-- deferred, list, job, jobs that wait for a rate limit, rate limit, names of rate limits, names of groups;
-- after them the push command for the back of a queue and the one for its front.
--
-- Returns nothing.

local RESULTS, EXECUTION, EXECUTIONS, OF_WORKER, DEPENDENTS, DEPENDENCIES, GROUP = 1, 2, 3, 4, 5, 6, 7
local SLOTS, DEFERRED, LIST, JOB, WAITING, LIMIT, LIMITS, GROUPS, PUSH, FRONT = 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
local MAX_DEPENDENTS, MAX_ADMITTED = 10000, 100
local rq -- the patterns and the two commands; nil in the native dialect

local function rq_init(patterns)
  if patterns == '' then return end
  rq = {}
  for pattern in string.gmatch(patterns, '%S+') do rq[#rq + 1] = pattern end
end

local function rq_key(kind, name)
  return (string.gsub(rq[kind], '%*', function() return name end))
end

-- RQ expects an execution's hash to exist as long as its entry in the sorted set. Both outlive the lease by a minute.
local function write_execution(id, execution, worker, time, seconds, is_new)
  if not rq then return end
  local now = string.format('%d.%06d', time[1], time[2])
  local key, of_job = rq_key(EXECUTION, id .. ':' .. execution), rq_key(EXECUTIONS, id)
  local of_worker = rq_key(OF_WORKER, worker)
  redis.pcall('HSET', key, 'last_heartbeat', now)
  if is_new then
    redis.pcall('HSET', key, 'id', execution, 'job_id', id, 'created_at', now, 'worker_name', worker)
    redis.pcall('SADD', of_worker, id .. ':' .. execution)
  end
  redis.pcall('EXPIRE', key, seconds)
  redis.pcall('ZADD', of_job, time[1] + seconds, execution)
  redis.pcall('EXPIRE', of_job, seconds)
  redis.pcall('EXPIRE', of_worker, seconds)
end

local function delete_execution(id, execution, worker)
  if not rq then return end
  redis.pcall('DEL', rq_key(EXECUTION, id .. ':' .. execution))
  redis.pcall('ZREM', rq_key(EXECUTIONS, id), execution)
  redis.pcall('SREM', rq_key(OF_WORKER, worker), id .. ':' .. execution)
end

-- Returns true if an execution of the job is alive, whatever the job's record says. The score of an execution that
-- nobody renews passes. `except` is an execution that does not count.
local function is_running(id, except)
  if not rq then return false end
  local executions, now = rq_key(EXECUTIONS, id), redis.call('TIME')[1]
  local alive = redis.pcall('ZCOUNT', executions, now, '+inf')
  if type(alive) ~= 'number' then return false end
  local score = except and redis.pcall('ZSCORE', executions, except)
  if score and tonumber(score) >= tonumber(now) then alive = alive - 1 end
  return alive > 0
end

-- The execution stores the name of the rate limit, because its slot must be freed even if its job is deleted.
local function set_execution_limit(id, execution, limit)
  redis.pcall('HSET', rq_key(EXECUTION, id .. ':' .. execution), 'rate_limit_key', limit)
end

-- Ends the leases of all executions of a job, and the executions too unless the job has a rate limit: that counts
-- executions, and the slot is in use until the handler has stopped.
local function end_executions(id, wip, worker, limit)
  if not rq then return end
  local executions = redis.pcall('ZRANGE', rq_key(EXECUTIONS, id), 0, -1)
  for _, execution in ipairs(executions.err and {} or executions) do
    redis.pcall('ZREM', wip, id .. ':' .. execution)
    if not limit then delete_execution(id, execution, worker) end
  end
end

-- Returns true if these two fields of a job's record are a rate limit, by RQ's rules. A limit does not hold while one
-- of its keys has a wrong type.
local function has_rate_limit(limit, concurrency)
  if not rq or not limit or limit == '' or not concurrency or not string.find(concurrency, '^%d+$') then return false end
  return type(redis.pcall('ZCARD', rq_key(SLOTS, limit))) == 'number'
    and type(redis.pcall('ZCARD', rq_key(WAITING, limit))) == 'number'
    and type(redis.pcall('HLEN', rq_key(LIMIT, limit))) == 'number'
    and type(redis.pcall('SCARD', rq_key(LIMITS, ''))) == 'number'
end

-- Returns the number of slots of a limit, 0 if it is unknown. A hash that was deleted is restored from a waiting job.
local function read_or_restore_concurrency(limit)
  local concurrency = redis.pcall('HGET', rq_key(LIMIT, limit), 'concurrency')
  if concurrency then return type(concurrency) == 'string' and tonumber(concurrency) or 0 end
  local waiting = redis.pcall('ZRANGE', rq_key(WAITING, limit), 0, MAX_ADMITTED - 1)
  for _, id in ipairs(waiting.err and {} or waiting) do
    local job = redis.pcall('HMGET', rq_key(JOB, id), 'rate_limit_key', 'rate_limit_concurrency')
    if job[1] == limit and has_rate_limit(limit, job[2]) then
      redis.call('SADD', rq_key(LIMITS, ''), limit)
      redis.call('HSET', rq_key(LIMIT, limit), 'concurrency', job[2])
      return tonumber(job[2])
    end
  end
  return 0
end

-- Gives free slots of the limit to the jobs that wait for it, oldest first, and puts these into their queues. A job
-- that was requeued while it runs is passed over until its execution has stopped, which still uses its slot: otherwise
-- two executions would share one. Jobs beyond MAX_ADMITTED are left to maintenance.
local function admit_waiting(limit, enqueued_at)
  local slots, waiting = rq_key(SLOTS, limit), rq_key(WAITING, limit)
  local concurrency = read_or_restore_concurrency(limit)
  local passed_over = {}
  for _ = 1, MAX_ADMITTED do
    local used = redis.pcall('ZCARD', slots)
    local first = type(used) == 'number' and used < concurrency and redis.pcall('ZPOPMIN', waiting) or {}
    local id, score = first[1], first[2]
    if not id then break end
    local key = rq_key(JOB, id)
    local job = redis.pcall('HMGET', key, 'status', 'origin', 'enqueue_at_front')
    if job[1] == 'rate_limited' and job[2] then
      local list = rq_key(LIST, job[2])
      local is_list = type(redis.pcall('LLEN', list)) == 'number'
      if is_list and not is_running(id) then
        redis.call('ZADD', slots, redis.call('TIME')[1], id)
        redis.call('HSET', key, 'status', 'queued', 'enqueued_at', enqueued_at)
        redis.call(rq[job[3] == '1' and FRONT or PUSH], list, id)
      else
        passed_over[#passed_over + 1], passed_over[#passed_over + 2] = score, id
        if not is_list then break end
      end
    end
  end
  if #passed_over > 0 then redis.call('ZADD', waiting, unpack(passed_over)) end
end

-- Puts a job with a rate limit behind the others that wait for one of the limit's slots, and admits whichever jobs
-- are next. A slot that the job still has is kept for an execution that has not stopped, and freed otherwise.
local function queue_for_limit(key, id, limit, concurrency, enqueued_at, at_front)
  redis.call('SADD', rq_key(LIMITS, ''), limit)
  redis.call('HSET', rq_key(LIMIT, limit), 'concurrency', concurrency)
  redis.call('HSET', key, 'status', 'rate_limited', 'enqueued_at', enqueued_at)
  if at_front then redis.call('HSET', key, 'enqueue_at_front', '1') end
  redis.call('ZADD', rq_key(WAITING, limit), redis.call('TIME')[1], id)
  if not is_running(id) then redis.pcall('ZREM', rq_key(SLOTS, limit), id) end
  admit_waiting(limit, enqueued_at)
end

-- Puts a job into its queue, or lets it wait for its rate limit if it has one.
local function enqueue_or_wait(key, id, list, push, enqueued_at)
  local job = rq and redis.pcall('HMGET', key, 'rate_limit_key', 'rate_limit_concurrency') or {}
  if has_rate_limit(job[1], job[2]) then return queue_for_limit(key, id, job[1], job[2], enqueued_at) end
  redis.call('HSET', key, 'status', 'queued', 'enqueued_at', enqueued_at)
  redis.call(push, list, id)
end

-- Returns true if the job may be claimed: it has no rate limit, or a slot that no other execution of it uses.
local function has_limit_slot(id, limit, concurrency)
  return not has_rate_limit(limit, concurrency) or redis.pcall('ZSCORE', rq_key(SLOTS, limit), id) and not is_running(id)
end

-- A job that leaves its queue stops waiting for a slot. It frees its own slot, if no execution uses it, and the next
-- job is admitted.
local function leave_rate_limit(id, limit, enqueued_at)
  if not rq or type(limit) ~= 'string' or limit == '' then return end
  redis.pcall('ZREM', rq_key(WAITING, limit), id)
  if is_running(id) then return end
  if redis.pcall('ZREM', rq_key(SLOTS, limit), id) == 1 and enqueued_at then admit_waiting(limit, enqueued_at) end
end

-- Ends an execution that has lost its job (requeued, deleted or taken over meanwhile), and frees its slot unless the
-- job needs it again.
local function end_fenced_execution(id, execution, worker, enqueued_at)
  if not rq then return end
  local stored = redis.pcall('HGET', rq_key(EXECUTION, id .. ':' .. execution), 'rate_limit_key')
  delete_execution(id, execution, worker)
  local job = redis.pcall('HMGET', rq_key(JOB, id), 'status', 'rate_limit_key')
  local limit = type(stored) == 'string' and stored or job[2]
  if job[1] == 'queued' or job[1] == 'started' then return end
  if type(limit) ~= 'string' or is_running(id) then return end
  if redis.pcall('ZREM', rq_key(SLOTS, limit), id) == 1 and enqueued_at then admit_waiting(limit, enqueued_at) end
end

-- Returns true if a dependency of this status lets its dependent run. A deleted one does, as in RQ.
local function is_dependency_met(status, allows_failure)
  return not status or status == 'finished' or (status == 'failed' and allows_failure)
end

-- Enqueues the dependents of a job that has just ended with this status, as far as their other dependencies are met.
-- Returns true if there may be more dependents than one call reads.
local function release_dependents(id, status, enqueued_at)
  if not rq then return false end
  local key = rq_key(DEPENDENTS, id)
  local dependents = redis.pcall('SRANDMEMBER', key, MAX_DEPENDENTS)
  for _, dependent in ipairs(dependents.err and {} or dependents) do
    local dependent_key = rq_key(JOB, dependent)
    local job = redis.pcall('HMGET', dependent_key, 'status', 'origin', 'allow_dependency_failures', 'enqueue_at_front',
      'rate_limit_key', 'rate_limit_concurrency')
    local allows_failure = job[3] == '1'
    local others = redis.pcall('SMEMBERS', rq_key(DEPENDENCIES, dependent))
    local is_free = is_dependency_met(status, allows_failure)
    for _, other in ipairs(others.err and {} or others) do
      if other ~= id then
        local other_status = redis.pcall('HGET', rq_key(JOB, other), 'status')
        is_free = is_free and is_dependency_met(type(other_status) == 'string' and other_status, allows_failure)
      end
    end
    if not job.err and is_free then
      local is_waiting = job[1] == 'deferred' and job[2]
      if is_waiting and type(redis.pcall('LLEN', rq_key(LIST, job[2]))) == 'number' then
        redis.pcall('ZREM', rq_key(DEFERRED, job[2]), dependent)
        if has_rate_limit(job[5], job[6]) then
          queue_for_limit(dependent_key, dependent, job[5], job[6], enqueued_at)
        else
          redis.call('HSET', dependent_key, 'status', 'queued', 'enqueued_at', enqueued_at)
          redis.call(rq[job[4] == '1' and FRONT or PUSH], rq_key(LIST, job[2]), dependent)
        end
      end
      redis.call('SREM', key, dependent)
    end
  end
  return #dependents >= MAX_DEPENDENTS
end

-- The keys of a job's dependencies expire with its record.
local function expire_related_keys(id, seconds)
  if not rq then return end
  redis.pcall('EXPIRE', rq_key(DEPENDENTS, id), seconds)
  redis.pcall('EXPIRE', rq_key(DEPENDENCIES, id), seconds)
end

-- Takes the job out of its group, and the group out of the set of groups when it was the last one.
local function leave_group(id, group)
  if type(group) ~= 'string' or group == '' then return end
  if redis.pcall('SREM', rq_key(GROUP, group), id) == 1 and redis.call('EXISTS', rq_key(GROUP, group)) == 0 then
    redis.pcall('SREM', rq_key(GROUPS, ''), group)
  end
end

local function delete_related_keys(id, group)
  if not rq then return end
  redis.call('DEL', rq_key(DEPENDENTS, id), rq_key(DEPENDENCIES, id), rq_key(RESULTS, id))
  leave_group(id, group)
end

-- `seconds` is the stream's time to live: -1 for ever, '' leaves it unchanged.
local function write_result(id, seconds, entry)
  if not rq or #entry == 0 then return end
  local key = rq_key(RESULTS, id)
  redis.pcall('XADD', key, 'MAXLEN', '~', 10, '*', unpack(entry))
  if seconds == '-1' then
    redis.pcall('PERSIST', key)
  elseif seconds ~= '' then
    redis.pcall('EXPIRE', key, seconds)
  end
end
