-- claim: starts as many waiting jobs as there are free slots, in the order of the queues.
-- Ids that a watcher was woken with come first; those that find no slot go back to the head.
-- The first write frees (RPOP, LPOP, LREM), so a full Redis still hands out work.
--
-- KEYS[1] suspended  KEYS[2] set of suspended queues
-- then for each queue: list, intermediate list, wip, unreadable, scheduled, finished, failed
-- ARGV[1] pop command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- ARGV[4] free slots  ARGV[5] lease in seconds  ARGV[6] worker name  ARGV[7] started_at
-- ARGV[8] first half of execution ids  ARGV[9] number of the first execution
-- ARGV[10] bytes of payload after which to stop
-- ARGV[11] how many seconds after the lease its score ends  ARGV[12] 1 when scores are whole seconds
-- ARGV[13] patterns of the books  ARGV[14] 1 to look at the types of all keys
-- ARGV[15] numbers of the queues to pass over
-- then for each woken id: number of its queue (from 0), id
--
-- Returns { state, jobs, paused, dropped, set aside }
--   state: 0 all queues are empty, 1 there may be more, 2 suspended
--   jobs: { number of the queue, id, execution, { field, value … } } each
--   paused: numbers of the queues that are suspended; of those whose keys another program has taken, -1 less it
--   dropped: ids without a record (expired or deleted), or that have ended
--   set aside: ids whose record cannot be read

local pop, front, prefix = ARGV[1], ARGV[2], ARGV[3]
local slots, budget = tonumber(ARGV[4]), tonumber(ARGV[10])
local number = tonumber(ARGV[9])
local now = redis.call('TIME')
local seconds = tonumber(ARGV[5]) + tonumber(ARGV[11])
local lease_end = ARGV[12] == '1' and string.format('%d', now[1] + seconds)
  or string.format('%.3f', now[1] + now[2] / 1000000 + seconds)
open_books(ARGV[13])
local queues = (#KEYS - 2) / 7
local jobs, paused, dropped, aside = {}, {}, {}, {}
local started, sent_back = 0, 0

-- Waiting, as far as the record tells; anything not listed is not a status.
local waiting = { queued = true, created = true, scheduled = true, deferred = true,
  rate_limited = true, ready_to_enqueue = true }
local ended = { finished = true, failed = true, stopped = true, canceled = true }

local suspended, some = false, false
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then
  suspended = redis.call('EXISTS', KEYS[1]) == 1
  some = redis.call('EXISTS', KEYS[2]) == 1
end

-- A key that another program has taken pauses its queue only. All keys are looked at now and then; that
-- one is taken in between shows when it is needed, and what was popped goes back.
local is_usable = {}
for q in string.gmatch(ARGV[15], '%d+') do is_usable[tonumber(q)] = false end
local function pause(q)
  if is_usable[q] ~= false then paused[#paused + 1] = -1 - q end
  is_usable[q] = false
end
local function usable(q)
  if is_usable[q] == nil then
    local base = q * 7 + 2
    is_usable[q] = true
    if some and redis.pcall('SISMEMBER', KEYS[2], KEYS[base + 1]) == 1 then
      paused[#paused + 1] = q
      is_usable[q] = false
    end
    if ARGV[14] == '1' then
      for k = 1, 7 do
        if type(redis.pcall(k < 3 and 'LLEN' or 'ZCARD', KEYS[base + k])) == 'table' then pause(q) end
      end
    end
  end
  return is_usable[q]
end

-- The first one becomes the next to be popped.
local function put_back(q, ids)
  for i = #ids, 1, -1 do redis.call(front, KEYS[q * 7 + 3], ids[i]) end
end

local function set_aside(q, id)
  if type(redis.pcall('ZADD', KEYS[q * 7 + 6], now[1], id)) == 'table' then
    put_back(q, { id })
    return pause(q)
  end
  aside[#aside + 1] = id
end

-- Whether the job can start. What is to be written then, in places of one table: its record, how often it
-- was started, whether it was enqueued anew, whether it has a time to live, its rate limit.
local function look(q, id, ready, n)
  local fields = redis.pcall('HGETALL', prefix .. id)
  if fields.err or not string.find(id, '^[%w_-]+$') then return set_aside(q, id) end
  local status, execution, deliveries, is_anew, has_ttl = 'queued', '', 0, false, books
  local limit, most
  for i = 1, #fields, 2 do
    local field, value = fields[i], fields[i + 1]
    if field == 'status' then status = value == '' and 'created' or value -- as RQ reads it
    elseif field == 'data' then budget = budget - #value
    elseif field == 'started_at' then is_anew = value == '' -- how RQ enqueues and requeues
    elseif field == 'execution_id' then execution = value
    elseif field == 'deliveries' then deliveries = tonumber(value) or 0
    elseif field == 'ttl' then has_ttl = true
    elseif field == 'rate_limit_key' then limit = value
    elseif field == 'rate_limit_concurrency' then most = value
    end
  end
  if status ~= 'queued' then
    local elsewhere = status == 'started' and redis.pcall('ZSCORE', KEYS[q * 7 + 5], id .. ':' .. execution)
      or status == 'scheduled' and redis.pcall('ZSCORE', KEYS[q * 7 + 7], id)
    if type(elsewhere) == 'table' then
      put_back(q, { id })
      return pause(q)
    end
    if ended[status] or elsewhere then
      dropped[#dropped + 1] = id -- a left-over of a job that is elsewhere
      return
    end
    if not waiting[status] and status ~= 'started' then return set_aside(q, id) end
  elseif #fields == 0 then
    dropped[#dropped + 1] = id
    return
  end
  if limit and not has_slot(id, limit, most) then
    sent_back = sent_back + 1
    wait_for_slot(prefix .. id, id, limit, most, ARGV[7])
    return
  end
  ready[n], ready[n + 1], ready[n + 2], ready[n + 3], ready[n + 4] = fields, deliveries, is_anew, has_ttl, limit or ''
  return true
end

local function start(q, id, execution, fields, deliveries, is_anew, has_ttl, limit)
  local key = prefix .. id
  if is_anew then
    deliveries = 0
    forget_runs(key)
    redis.call('HDEL', key, 'attempts') -- it may be another job of this id
  end
  redis.call('HSET', key, 'status', 'started', 'started_at', ARGV[7], 'worker_name', ARGV[6],
    'execution_id', execution, 'deliveries', deliveries == 0 and '1' or deliveries + 1)
  -- Only who sets a time to live leaves one; ours takes it away again when a job is requeued.
  if has_ttl then redis.call('PERSIST', key) end
  if books then
    redis.call('HSET', key, 'last_heartbeat', ARGV[7])
    write_execution(id, execution, ARGV[6], now, math.floor(seconds) + 60, true)
    if limit ~= '' then name_limit(id, execution, limit) end
  end
  started = started + 1
  jobs[started] = { q, id, execution, fields }
end

-- Ids that were popped: leases first, all at once, then their records.
local function start_all(q, ids)
  local ready, names, executions, leases, rest = {}, {}, {}, {}, {}
  local n, seen = 0, {}
  for _, id in ipairs(ids) do
    if budget <= 0 then
      rest[#rest + 1] = id
    elseif seen[id] then
      dropped[#dropped + 1] = id -- the one before it starts
    elseif look(q, id, ready, n * 5 + 1) then
      n = n + 1
      seen[id] = true
      local execution = ARGV[8] .. string.format('%08x', number)
      number = number + 1
      names[n], executions[n] = id, execution
      leases[n * 2 - 1], leases[n * 2] = lease_end, id .. ':' .. execution
    end
  end
  put_back(q, rest)
  if n == 0 then return end
  if type(redis.pcall('ZADD', KEYS[q * 7 + 5], unpack(leases))) == 'table' then
    put_back(q, names)
    return pause(q)
  end
  for i = 1, n do start(q, names[i], executions[i], unpack(ready, i * 5 - 4, i * 5)) end
end

-- Several at once since Redis 6.2.
local function take(q, count)
  local list = KEYS[q * 7 + 3]
  local ids
  if count > 1 then ids = redis.pcall(pop, list, count) else ids = redis.pcall(pop, list) end
  if type(ids) == 'table' and ids.err then
    if string.find(ids.err, 'WRONGTYPE', 1, true) then
      pause(q)
      return {}
    end
    ids = redis.call(pop, list) -- an older server; or the same error again, which ends the script
  end
  return type(ids) == 'table' and ids or { ids or nil }
end

for i = 16, #ARGV, 2 do
  local q, id = tonumber(ARGV[i]), ARGV[i + 1]
  local is_free = started < slots and not suspended
  local may_start = usable(q)
  -- A queue whose lists are taken keeps its ids where they are; a suspended one gets them back.
  if type(redis.pcall('LLEN', KEYS[q * 7 + 3])) ~= 'table' and redis.pcall('LREM', KEYS[q * 7 + 4], 1, id) == 1 then
    if is_free and may_start then
      start_all(q, { id })
    else
      put_back(q, { id })
    end
  end
end
if suspended then return { 2, jobs, paused, dropped, aside } end

local more = 0
for q = 0, queues - 1 do
  while usable(q) do
    local room = slots - started
    if room <= 0 or budget <= 0 or #dropped + #aside + sent_back >= 1000 then
      more = 1
      break
    end
    local ids = take(q, math.min(room, 1000))
    if #ids == 0 then break end
    start_all(q, ids)
  end
end
return { more, jobs, paused, dropped, aside }
