-- finish: ends executions of one worker. The one script that takes a job out of a worker's hands.
-- It acts only for executions that still hold their leases, and its first write frees (ZREM),
-- so that a full Redis still takes results.
--
-- KEYS[1] list  KEYS[2] wip  KEYS[3] finished  KEYS[4] failed  KEYS[5] scheduled
-- ARGV[1] push command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- ARGV[4] prefix of the channels that say a job has ended  ARGV[5] score of 'failed for ever'
-- ARGV[6] patterns of the books  ARGV[7] numbers of the keys that these jobs go to
-- ARGV[8] worker  ARGV[9] '' for the worker itself; else the jobs are taken from it because it is lost, and
-- nothing happens to those whose lease does not end in less than so many seconds
-- ARGV[10] 1 when scores are whole seconds
-- then for each job: id, execution, place, seconds, n, n values of the job (status first), and with books
-- m, m values of the entry in the results, seconds that they are kept
--   place: finished, failed (seconds to keep; -1 for ever, 0 not at all), scheduled (seconds
--   from now), queue or head (seconds unused)
--
-- Returns for each job: 1 done, 2 was done before by this execution, 0 the lease was lost:
-- nothing was changed; 3 done, but more jobs wait for it than one call releases.

local push, front, prefix, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local worker, passed = ARGV[8], tonumber(ARGV[9])
open_books(ARGV[6])
local time = redis.call('TIME')
local exact = time[1] + time[2] / 1000000

-- Keys of a wrong type end the script here, before anything is written: those that ARGV[7] names.
for k in string.gmatch(ARGV[7], '%d') do
  if k == '1' then redis.call('LLEN', KEYS[1]) else redis.call('ZCARD', KEYS[tonumber(k)]) end
end

-- What goes to a registry goes there together, at the end.
local entries = { [3] = {}, [4] = {}, [5] = {} }
local counts = { [3] = 0, [4] = 0, [5] = 0 }
local function enter(registry, score, id)
  local n = counts[registry]
  entries[registry][n + 1], entries[registry][n + 2] = score, id
  counts[registry] = n + 2
end

-- Exact scores keep a registry in the order of time, which is also what makes it quick.
local scores = {}
local function score_in(seconds)
  if not scores[seconds] then
    scores[seconds] = ARGV[10] == '1' and string.format('%d', time[1] + seconds)
      or string.format('%.3f', exact + seconds)
  end
  return scores[seconds]
end

local function keep(id, key, registry, seconds, forever)
  local n = tonumber(seconds)
  if n == 0 then
    local group = redis.pcall('HGET', key, 'group_id')
    redis.call('DEL', key)
    delete_relatives(id, type(group) == 'string' and group)
  elseif n < 0 then
    enter(registry, forever, id)
  else
    enter(registry, score_in(seconds), id)
    redis.call('EXPIRE', key, seconds)
    expire_relatives(id, seconds)
  end
end

local function moment(first, last)
  for i = first, last, 2 do
    if ARGV[i] == 'ended_at' then return ARGV[i + 1] end
  end
end

-- Whether this very call did it before, and only its answer was lost: the end has the moment of ours.
-- (A Python program that took the job away leaves the execution in its record.)
local function was_done(id, execution, first, last)
  local held = redis.pcall('HMGET', prefix .. id, 'execution_id', 'status', 'ended_at')
  if held[1] ~= execution then return false end
  local ended_at = moment(first, last)
  if ended_at then return held[3] == ended_at end
  return held[2] == ARGV[first + 1]
end

local function read_entry(at)
  local m = tonumber(ARGV[at])
  return ARGV[at + m + 1], { unpack(ARGV, at + 1, at + m) }
end

-- A job whose lease was there, and is not any more.
local function finish(id, execution, place, seconds, first, last)
  local key, status = prefix .. id, ARGV[first + 1]
  local kept, entry
  if books then
    drop_execution(id, execution, worker)
    kept, entry = read_entry(last + 1)
  end
  local known = books and redis.pcall('HMGET', key, 'status', 'waited', 'execution_id', 'rate_limit_key')
    or redis.pcall('HMGET', key, 'status', 'waited', 'execution_id')
  if not known[1] then return 0 end -- deleted behind our back: do not half revive it
  if known[1] ~= 'started' or (not passed and known[3] ~= execution) then
    -- Only its lease was left behind; or somebody has enqueued the same id anew while it ran.
    if not passed then write_result(id, kept, entry) end
    return 0
  end
  redis.call('HSET', key, unpack(ARGV, first, last))
  -- What was taken over is not the same as what its owner may still want to end.
  if passed then redis.call('HDEL', key, 'execution_id') end
  if seconds ~= '0' then write_result(id, kept, entry) end
  local is_end = place == 'finished' or place == 'failed'
  local is_more = is_end and release_dependents(id, status, moment(first, last), push, front)
  if is_end then free_slot(id, known[4]) end
  if place == 'finished' then keep(id, key, 3, seconds, '+inf')
  elseif place == 'failed' then keep(id, key, 4, seconds, ARGV[5])
  elseif place == 'scheduled' then enter(5, string.format('%d', math.ceil(exact + seconds)), id)
  elseif place == 'head' then redis.call(front, KEYS[1], id)
  else redis.call(push, KEYS[1], id)
  end
  -- Somebody without the right to publish has waiters that look for themselves.
  if is_end and known[2] then redis.pcall('PUBLISH', channel .. id, status) end
  return is_more and 3 or 1
end

-- Where each job's arguments begin, and its entry in wip; old RQ wrote no execution.
local begins, members, count = {}, {}, 0
local at = 11
while ARGV[at] do
  count = count + 1
  begins[count] = at
  members[count] = ARGV[at + 1] == '' and ARGV[at] or ARGV[at] .. ':' .. ARGV[at + 1]
  at = at + 5 + ARGV[at + 4]
  if books then at = at + 2 + ARGV[at] end
end

-- All leases in one look, since Redis 6.2.
local lease_ends = redis.pcall('ZMSCORE', KEYS[2], unpack(members))
if lease_ends.err then
  for i, member in ipairs(members) do lease_ends[i] = redis.call('ZSCORE', KEYS[2], member) end
end
-- One that is lost may have come back and renewed its lease since it was looked at.
local held = {}
for i = 1, count do
  local is_renewed = passed and lease_ends[i] and tonumber(lease_ends[i]) > exact + passed
  if is_renewed then lease_ends[i] = false end
  if lease_ends[i] then held[#held + 1] = members[i] end
end
if #held > 0 then redis.call('ZREM', KEYS[2], unpack(held)) end

local replies = {}
for i = 1, count do
  local begin = begins[i]
  local id, execution, first = ARGV[begin], ARGV[begin + 1], begin + 5
  local last = begin + 4 + ARGV[begin + 4]
  if lease_ends[i] then
    replies[i] = finish(id, execution, ARGV[begin + 2], ARGV[begin + 3], first, last)
  elseif passed then
    replies[i] = 0
  else
    drop_execution(id, execution, worker) -- a Python program that took the job away left it
    replies[i] = was_done(id, execution, first, last) and 2 or 0
  end
end
for registry, those in pairs(entries) do
  if #those > 0 then redis.call('ZADD', KEYS[registry], unpack(those)) end
end
return replies
