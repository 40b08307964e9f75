-- claim: claims as many waiting jobs as there are free slots, in the order of the queues: each gets a lease and the
-- status started. Ids that a watcher has popped come first; if no slot is free for one, it is put back at the front of
-- its queue.
-- The first write is one that a Redis out of memory accepts (RPOP, LPOP, LREM), and lets it accept the others: jobs
-- are claimed all the same.
--
-- KEYS[1] suspended  KEYS[2] set of suspended queues
-- then for each queue: list, intermediate list, wip, unreadable, scheduled, finished, failed
-- ARGV[1] pop command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- ARGV[4] free slots  ARGV[5] lease in seconds  ARGV[6] worker name  ARGV[7] started_at
-- ARGV[8] first part of execution ids  ARGV[9] sequence number of the first execution
-- ARGV[10] bytes of payload after which the claim stops
-- ARGV[11] score offset: seconds from the end of a lease to its score  ARGV[12] 1 when scores are whole seconds
-- ARGV[13] patterns of rq_compat  ARGV[14] 1 to check the types of all keys
-- ARGV[15] numbers of the queues that the caller excludes
-- then for each popped id: number of its queue (from 0), id
--
-- Returns { state, jobs, unavailable, dropped, quarantined }
--   state: 0 all queues are empty, 1 there may be more, 2 all queues are suspended
--   jobs: { number of the queue, id, execution, { field, value … } } each
--   unavailable: q for a suspended queue with the number q, -(q + 1) for one with a key of a wrong type
--   dropped: ids without a record (expired or deleted), or of jobs that belong elsewhere
--   quarantined: ids whose record cannot be read

local pop, push_front, prefix = ARGV[1], ARGV[2], ARGV[3]
local slots, budget = tonumber(ARGV[4]), tonumber(ARGV[10])
local sequence = tonumber(ARGV[9])
local now = redis.call('TIME')
local seconds = tonumber(ARGV[5]) + tonumber(ARGV[11])
local lease_end = ARGV[12] == '1' and string.format('%d', now[1] + seconds)
  or string.format('%.3f', now[1] + now[2] / 1000000 + seconds)
rq_init(ARGV[13])
local queues = (#KEYS - 2) / 7
local jobs, unavailable, dropped, quarantined = {}, {}, {}, {}
local claimed, rate_limited = 0, 0

-- An id in a queue's list is taken for a waiting job with any of these statuses.
local waiting = { queued = true, created = true, scheduled = true, deferred = true,
  rate_limited = true, ready_to_enqueue = true }
local ended = { finished = true, failed = true, stopped = true, canceled = true }

local all_suspended, some_suspended = false, false
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then
  all_suspended = redis.call('EXISTS', KEYS[1]) == 1
  some_suspended = redis.call('EXISTS', KEYS[2]) == 1
end

-- A key of a wrong type must not stop the other queues: only its own queue is passed over. All types are checked when
-- ARGV[14] is 1; otherwise a wrong type shows when the key is used, and popped ids are put back.
local available = {}
for q in string.gmatch(ARGV[15], '%d+') do available[tonumber(q)] = false end

-- Passes the queue over from now on, because one of its keys has a wrong type.
local function mark_wrong_type(q)
  if available[q] ~= false then unavailable[#unavailable + 1] = -1 - q end
  available[q] = false
end

-- Returns true if jobs may be claimed from the queue. The first call checks the queue, and adds it to `unavailable`
-- if it is suspended or a key has a wrong type.
local function check_queue(q)
  if available[q] == nil then
    local base = q * 7 + 2
    available[q] = true
    if some_suspended and redis.pcall('SISMEMBER', KEYS[2], KEYS[base + 1]) == 1 then
      unavailable[#unavailable + 1] = q
      available[q] = false
    end
    if ARGV[14] == '1' then
      for k = 1, 7 do
        if type(redis.pcall(k < 3 and 'LLEN' or 'ZCARD', KEYS[base + k])) == 'table' then mark_wrong_type(q) end
      end
    end
  end
  return available[q]
end

-- Puts ids back at the front of their queue; the first one is popped next.
local function put_back(q, ids)
  for i = #ids, 1, -1 do redis.call(push_front, KEYS[q * 7 + 3], ids[i]) end
end

local function quarantine(q, id)
  if type(redis.pcall('ZADD', KEYS[q * 7 + 6], now[1], id)) == 'table' then
    put_back(q, { id })
    return mark_wrong_type(q)
  end
  quarantined[#quarantined + 1] = id
end

-- Reads a job's record. Returns true if the job can be claimed, with the arguments of `claim_job` at `ready[n]` and
-- the four positions behind it (one flat table, which is quicker than one for each job): the record, the number of
-- deliveries, true if the job is new, true if its record has a time to live, its rate limit. Any other id is dropped,
-- quarantined, put back, or waits for its rate limit.
local function prepare(q, id, ready, n)
  local fields = redis.pcall('HGETALL', prefix .. id)
  if fields.err or not string.find(id, '^[%w_-]+$') then return quarantine(q, id) end
  local status, execution, deliveries, is_new, has_ttl = 'queued', '', 0, false, rq
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
    local entry = status == 'started' and redis.pcall('ZSCORE', KEYS[q * 7 + 5], id .. ':' .. execution)
      or status == 'scheduled' and redis.pcall('ZSCORE', KEYS[q * 7 + 7], id)
    if type(entry) == 'table' then
      put_back(q, { id })
      return mark_wrong_type(q)
    end
    if ended[status] or entry then
      dropped[#dropped + 1] = id -- the id was left behind by a job that has moved on
      return
    end
    if not waiting[status] and status ~= 'started' then return quarantine(q, id) end
  elseif #fields == 0 then
    dropped[#dropped + 1] = id
    return
  end
  if limit and not has_limit_slot(id, limit, concurrency) then
    rate_limited = rate_limited + 1
    queue_for_limit(prefix .. id, id, limit, concurrency, ARGV[7])
    return
  end
  ready[n], ready[n + 1], ready[n + 2], ready[n + 3], ready[n + 4] = fields, deliveries, is_new, has_ttl, limit or ''
  return true
end

local function claim_job(q, id, execution, fields, deliveries, is_new, has_ttl, limit)
  local key = prefix .. id
  if is_new then
    deliveries = 0
    clear_run_fields(key)
    redis.call('HDEL', key, 'attempts') -- RQ may have enqueued another job under the same id
  end
  redis.call('HSET', key, 'status', 'started', 'started_at', ARGV[7], 'worker_name', ARGV[6],
    'execution_id', execution, 'deliveries', deliveries == 0 and '1' or deliveries + 1)
  -- A record expires only while its job waits or after it has ended. A native record has a time to live only if the job
  -- has a `ttl`, because `requeue` removes any other one; RQ leaves it.
  if has_ttl then redis.call('PERSIST', key) end
  if rq then
    redis.call('HSET', key, 'last_heartbeat', ARGV[7])
    write_execution(id, execution, ARGV[6], now, math.floor(seconds) + 60, true)
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
      local execution = ARGV[8] .. string.format('%08x', sequence)
      sequence = sequence + 1
      claimable[n], executions[n] = id, execution
      leases[n * 2 - 1], leases[n * 2] = lease_end, id .. ':' .. execution
    end
  end
  put_back(q, unclaimed)
  if n == 0 then return end
  if type(redis.pcall('ZADD', KEYS[q * 7 + 5], unpack(leases))) == 'table' then
    put_back(q, claimable)
    return mark_wrong_type(q)
  end
  for i = 1, n do claim_job(q, claimable[i], executions[i], unpack(ready, i * 5 - 4, i * 5)) end
end

-- Pops ids. Redis pops several with one command since 6.2.
local function pop_ids(q, count)
  local list = KEYS[q * 7 + 3]
  local ids
  if count > 1 then ids = redis.pcall(pop, list, count) else ids = redis.pcall(pop, list) end
  if type(ids) == 'table' and ids.err then
    if string.find(ids.err, 'WRONGTYPE', 1, true) then
      mark_wrong_type(q)
      return {}
    end
    ids = redis.call(pop, list) -- for an older server; any other error comes again, and ends the script
  end
  return type(ids) == 'table' and ids or { ids or nil }
end

for i = 16, #ARGV, 2 do
  local q, id = tonumber(ARGV[i]), ARGV[i + 1]
  local has_slots = claimed < slots and not all_suspended
  local is_available = check_queue(q)
  -- An id stays in the intermediate list while the list's key has a wrong type; a suspended queue gets it back.
  if type(redis.pcall('LLEN', KEYS[q * 7 + 3])) ~= 'table' and redis.pcall('LREM', KEYS[q * 7 + 4], 1, id) == 1 then
    if has_slots and is_available then
      claim_batch(q, { id })
    else
      put_back(q, { id })
    end
  end
end
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
