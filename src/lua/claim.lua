-- claim: claims as many waiting jobs as there are free slots, in the order of the queues: each gets a lease and the
-- status started. Ids that a watcher has popped come first; if no slot is free for one, it is put back at the front of
-- its queue.
-- The first write is one that a Redis out of memory accepts (RPOP, LPOP, LREM), and lets it accept the others: jobs
-- are claimed all the same.
--
-- Keys that follow, for each queue: list, intermediate list, wip, unreadable, scheduled, finished, failed.
-- Arguments that follow, for each popped id: number of its queue (from 0), id.
--
-- Returns { state, jobs, unavailable, dropped, quarantined }
--   state: 0 all queues are empty, 1 there may be more, 2 all queues are suspended
--   jobs: { number of the queue, id, execution, { field, value … } } each
--   unavailable: q for a suspended queue with the number q, -(q + 1) for one with a key of a wrong type
--   dropped: ids without a record (expired or deleted), or of jobs that belong elsewhere
--   quarantined: ids whose record cannot be read

-- The key of queue q is KEYS[LIST_OF + q * QUEUE_KEYS].
local QUEUE_KEYS = 7
local LIST_OF, INTERMEDIATE_OF, WIP_OF = FIRST_KEY, FIRST_KEY + 1, FIRST_KEY + 2
local UNREADABLE_OF, SCHEDULED_OF = FIRST_KEY + 3, FIRST_KEY + 4

local queues = (#KEYS + 1 - FIRST_KEY) / QUEUE_KEYS
local now = redis.call('TIME')
local lease_end = lease_score(now, lease)
local jobs, unavailable, dropped, quarantined = {}, {}, {}, {}
local claimed, rate_limited = 0, 0

-- An id in a queue's list is taken for a waiting job with any of these statuses.
local waiting = { queued = true, created = true, scheduled = true, deferred = true,
  rate_limited = true, ready_to_enqueue = true }

local all_suspended, some_suspended = false, false
if redis.call('EXISTS', SUSPENDED, SUSPENDED_QUEUES) > 0 then
  all_suspended = redis.call('EXISTS', SUSPENDED) == 1
  some_suspended = redis.call('EXISTS', SUSPENDED_QUEUES) == 1
end

-- A key of a wrong type must not stop the other queues: only its own queue is passed over. All types are checked with
-- `checks_keys`; otherwise a wrong type shows when the key is used, and popped ids are put back.
local available = {}
for q in string.gmatch(excluded_queues, '%d+') do available[tonumber(q)] = false end

-- Passes the queue over from now on, because one of its keys has a wrong type.
local function mark_wrong_type(q)
  if available[q] ~= false then unavailable[#unavailable + 1] = -1 - q end
  available[q] = false
end

-- Returns true if jobs may be claimed from the queue. The first call checks the queue, and adds it to `unavailable`
-- if it is suspended or a key has a wrong type.
local function check_queue(q)
  if available[q] == nil then
    local first = LIST_OF + q * QUEUE_KEYS
    available[q] = true
    if some_suspended and redis.pcall('SISMEMBER', SUSPENDED_QUEUES, KEYS[first]) == 1 then
      unavailable[#unavailable + 1] = q
      available[q] = false
    end
    for k = 0, checks_keys and QUEUE_KEYS - 1 or -1 do
      if type(redis.pcall(k < 2 and 'LLEN' or 'ZCARD', KEYS[first + k])) == 'table' then mark_wrong_type(q) end
    end
  end
  return available[q]
end

-- Puts ids back at the front of their queue; the first one is popped next.
local function put_back(q, ids)
  for i = #ids, 1, -1 do redis.call(PUSH_FRONT, KEYS[LIST_OF + q * QUEUE_KEYS], ids[i]) end
end

local function quarantine(q, id)
  if type(redis.pcall('ZADD', KEYS[UNREADABLE_OF + q * QUEUE_KEYS], now[1], id)) == 'table' then
    put_back(q, { id })
    return mark_wrong_type(q)
  end
  quarantined[#quarantined + 1] = id
end

-- Returns true if the job of this id waits, although its status is not queued. Any other id is dropped, quarantined or
-- put back.
local function does_wait(q, id, status, execution)
  local entry = status == 'started' and redis.pcall('ZSCORE', KEYS[WIP_OF + q * QUEUE_KEYS], id .. ':' .. execution)
    or status == 'scheduled' and redis.pcall('ZSCORE', KEYS[SCHEDULED_OF + q * QUEUE_KEYS], id)
  if type(entry) == 'table' then
    put_back(q, { id })
    return mark_wrong_type(q)
  end
  if HAS_ENDED[status] or entry then
    dropped[#dropped + 1] = id -- the id was left behind by a job that has moved on
    return
  end
  if not waiting[status] and status ~= 'started' then return quarantine(q, id) end
  return true
end

-- Reads a job's record. Returns true if the job can be claimed, with the arguments of `claim_job` at `ready[n]` and
-- the four positions behind it (one flat table, which is quicker than one for each job): the record, the number of
-- deliveries, true if the job is new, true if its record has a time to live, its rate limit. Any other id is dropped,
-- quarantined, put back, or waits for its rate limit.
local function prepare(q, id, ready, n)
  local fields = redis.pcall('HGETALL', JOB_PREFIX .. id)
  if fields.err or not string.find(id, '^[%w_-]+$') then return quarantine(q, id) end
  local status, execution, deliveries, is_new, has_ttl = 'queued', '', 0, false, RQ
  local limit, concurrency
  for i = 1, #fields, 2 do
    local field, value = fields[i], fields[i + 1]
    if field == 'status' then status = value == '' and 'created' or value -- RQ's rule for an empty status
    elseif field == 'data' then budget = budget - #value
    elseif field == 'started_at' then is_new = value == '' -- RQ writes it empty when it enqueues and requeues
    elseif field == 'execution_id' then execution = value
    elseif field == 'deliveries' then deliveries = tonumber(value) or 0
    elseif field == 'ttl' then has_ttl = true
    elseif field == 'rate_limit_key' then limit = value
    elseif field == 'rate_limit_concurrency' then concurrency = value
    end
  end
  if status ~= 'queued' then
    if not does_wait(q, id, status, execution) then return end
  elseif #fields == 0 then
    dropped[#dropped + 1] = id
    return
  end
  if limit and must_wait_for_limit(id, limit, concurrency) then
    rate_limited = rate_limited + 1
    queue_for_limit(id, limit, concurrency, started_at)
    return
  end
  ready[n], ready[n + 1], ready[n + 2], ready[n + 3], ready[n + 4] = fields, deliveries, is_new, has_ttl, limit or ''
  return true
end

local function claim_job(q, id, execution, fields, deliveries, is_new, has_ttl, limit)
  local key = JOB_PREFIX .. id
  if is_new then
    deliveries = 0
    clear_run_fields(key)
    redis.call('HDEL', key, 'attempts') -- RQ may have enqueued another job under the same id
  end
  redis.call('HSET', key, 'status', 'started', 'started_at', started_at, 'worker_name', worker,
    'execution_id', execution, 'deliveries', deliveries == 0 and '1' or deliveries + 1)
  -- A record expires only while its job waits or after it has ended. A native record has a time to live only if the job
  -- has a `ttl`, because `move_to_queue` removes any other one; RQ leaves it.
  if has_ttl then redis.call('PERSIST', key) end
  if RQ then
    redis.call('HSET', key, 'last_heartbeat', started_at)
    write_execution(id, execution, worker, now, lease, true)
    if limit ~= '' then set_execution_limit(id, execution, limit) end
  end
  claimed = claimed + 1
  jobs[claimed] = { q, id, execution, fields }
end

-- Claims the jobs of these popped ids: all leases in one command first, then the records.
local function claim_batch(q, ids)
  local ready, claimable, executions, leases, unclaimed = {}, {}, {}, {}, {}
  local n, seen = 0, {}
  for _, id in ipairs(ids) do
    if budget <= 0 then
      unclaimed[#unclaimed + 1] = id
    elseif seen[id] then
      dropped[#dropped + 1] = id -- the same id twice in the list: only the first one is claimed
    elseif prepare(q, id, ready, n * 5 + 1) then
      n = n + 1
      seen[id] = true
      local execution = execution_prefix .. string.format('%08x', sequence)
      sequence = sequence + 1
      claimable[n], executions[n] = id, execution
      leases[n * 2 - 1], leases[n * 2] = lease_end, id .. ':' .. execution
    end
  end
  put_back(q, unclaimed)
  if n == 0 then return end
  if type(redis.pcall('ZADD', KEYS[WIP_OF + q * QUEUE_KEYS], unpack(leases))) == 'table' then
    put_back(q, claimable)
    return mark_wrong_type(q)
  end
  for i = 1, n do claim_job(q, claimable[i], executions[i], unpack(ready, i * 5 - 4, i * 5)) end
end

-- Pops ids. Redis pops several with one command since 6.2.
local function pop_ids(q, count)
  local list = KEYS[LIST_OF + q * QUEUE_KEYS]
  local ids
  if count > 1 then ids = redis.pcall(POP, list, count) else ids = redis.pcall(POP, list) end
  if type(ids) == 'table' and ids.err then
    if string.find(ids.err, 'WRONGTYPE', 1, true) then
      mark_wrong_type(q)
      return {}
    end
    ids = redis.call(POP, list) -- for an older server; any other error comes again, and ends the script
  end
  return type(ids) == 'table' and ids or { ids or nil }
end

-- Claims the job of an id that a watcher has popped. The id stays in the intermediate list while the list's key has a
-- wrong type; a suspended queue gets it back.
local function claim_popped(q, id)
  local has_slots = claimed < slots and not all_suspended
  local is_available = check_queue(q)
  if type(redis.pcall('LLEN', KEYS[LIST_OF + q * QUEUE_KEYS])) == 'table'
    or redis.pcall('LREM', KEYS[INTERMEDIATE_OF + q * QUEUE_KEYS], 1, id) ~= 1 then return end
  if has_slots and is_available then
    claim_batch(q, { id })
  else
    put_back(q, { id })
  end
end

for i = FIRST_ARG, #ARGV, 2 do claim_popped(tonumber(ARGV[i]), ARGV[i + 1]) end
if all_suspended then return { 2, jobs, unavailable, dropped, quarantined } end

local more = 0
for q = 0, queues - 1 do
  while check_queue(q) do
    local free = slots - claimed
    if free <= 0 or budget <= 0 or #dropped + #quarantined + rate_limited >= 1000 then
      more = 1
      break
    end
    local ids = pop_ids(q, math.min(free, 1000))
    if #ids == 0 then break end
    claim_batch(q, ids)
  end
end
return { more, jobs, unavailable, dropped, quarantined }
