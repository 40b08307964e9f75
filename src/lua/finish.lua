-- finish: ends executions. The one script that takes a job out of a worker's hands.
-- It acts only for an execution that still holds its lease, and its first write frees (ZREM),
-- so that a full Redis still takes results.
--
-- KEYS[1] list  KEYS[2] wip  KEYS[3] finished  KEYS[4] failed  KEYS[5] scheduled
-- ARGV[1] push command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- ARGV[4] prefix of the channels that say a job has ended  ARGV[5] score of 'failed for ever'
-- ARGV[6] patterns of the books  ARGV[7] numbers of the keys that these jobs go to
-- then for each job: id, execution, passed, place, seconds, worker, seconds its results are kept, m,
-- m values of the entry in the results, n, n values of the job
--   passed: '' for the job's own worker; else it is taken from a worker that is lost, and nothing
--   happens unless its lease ends in less than so many seconds
--   place: finished, failed (seconds to keep; -1 for ever, 0 not at all), scheduled (seconds
--   from now), queue or head (seconds unused)
--
-- Returns for each job: 1 done, 2 was done before by this execution, 0 the lease was lost:
-- nothing was changed; 3 done, but more jobs wait for it than one call releases.

local push, front, prefix, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
open_books(ARGV[6])
local time = redis.call('TIME')
local now = tonumber(time[1])
local exact = now + time[2] / 1000000
local replies = {}

-- Keys of a wrong type end the script here, before anything is written: those that ARGV[7] names.
for k in string.gmatch(ARGV[7], '%d') do
  if k == '1' then redis.call('LLEN', KEYS[1]) else redis.call('ZCARD', KEYS[tonumber(k)]) end
end

local function keep(key, registry, id, seconds, forever)
  if seconds == 0 then
    local group = redis.pcall('HGET', key, 'group_id')
    redis.call('DEL', key)
    delete_relatives(id, type(group) == 'string' and group)
  elseif seconds < 0 then
    redis.call('ZADD', registry, forever, id)
  else
    redis.call('ZADD', registry, now + seconds, id)
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
local function was_done(key, execution, first, last)
  local held = redis.pcall('HMGET', key, 'execution_id', 'status', 'ended_at')
  if held[1] ~= execution then return false end
  local ended_at = moment(first, last)
  if ended_at then return held[3] == ended_at end
  return held[2] == ARGV[first + 1]
end

local function finish(id, execution, passed, place, seconds, worker, kept, entry, first, last)
  local key = prefix .. id
  local member = execution == '' and id or id .. ':' .. execution -- old RQ wrote no execution
  if passed ~= '' then
    -- Its owner may have come back and renewed it since it was looked at.
    local lease_end = redis.call('ZSCORE', KEYS[2], member)
    if not lease_end or tonumber(lease_end) > exact + passed then return 0 end
  end
  if redis.call('ZREM', KEYS[2], member) == 0 then
    drop_execution(id, execution, worker) -- a Python program that took the job away left it
    return was_done(key, execution, first, last) and 2 or 0
  end
  drop_execution(id, execution, worker)
  local known = redis.pcall('HMGET', key, 'status', 'waited', 'execution_id', 'rate_limit_key')
  if not known[1] then return 0 end -- deleted behind our back: do not half revive it
  if known[1] ~= 'started' or (passed == '' and known[3] ~= execution) then
    -- Only its lease was left behind; or somebody has enqueued the same id anew while it ran.
    if passed == '' then write_result(id, kept, entry) end
    return 0
  end
  redis.call('HSET', key, unpack(ARGV, first, last))
  -- What was taken over is not the same as what its owner may still want to end.
  if passed ~= '' then redis.call('HDEL', key, 'execution_id') end
  if seconds ~= 0 then write_result(id, kept, entry) end
  local is_end = place == 'finished' or place == 'failed'
  local is_more = is_end and release_dependents(id, ARGV[first + 1], moment(first, last), push, front)
  if is_end then free_slot(id, known[4]) end
  if place == 'finished' then keep(key, KEYS[3], id, seconds, '+inf')
  elseif place == 'failed' then keep(key, KEYS[4], id, seconds, ARGV[5])
  elseif place == 'scheduled' then redis.call('ZADD', KEYS[5], math.ceil(exact + seconds), id)
  elseif place == 'head' then redis.call(front, KEYS[1], id)
  else redis.call(push, KEYS[1], id)
  end
  -- Somebody without the right to publish has waiters that look for themselves.
  if is_end and known[2] then redis.pcall('PUBLISH', channel .. id, ARGV[first + 1]) end
  return is_more and 3 or 1
end

local at = 8
while at <= #ARGV do
  local m = tonumber(ARGV[at + 7])
  local entry = {}
  for i = 1, m do entry[i] = ARGV[at + 7 + i] end
  local n = tonumber(ARGV[at + 8 + m])
  local first = at + 9 + m
  replies[#replies + 1] = finish(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4]),
    ARGV[at + 5], ARGV[at + 6], entry, first, first + n - 1)
  at = first + n
end
return replies
