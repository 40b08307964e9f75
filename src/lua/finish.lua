-- finish: ends executions of one worker that end alike. The one script that takes jobs out of a worker's
-- hands. It acts only for executions that still hold their leases, or whose lease somebody has deleted while the
-- record is still theirs. Its first write frees (ZREM), so that a full Redis still takes results.
--
-- KEYS[1] list  KEYS[2] wip  KEYS[3] finished  KEYS[4] failed  KEYS[5] scheduled
-- ARGV[1] push command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- ARGV[4] prefix of the channels that say a job has ended  ARGV[5] score of 'failed for ever'
-- ARGV[6] patterns of the books  ARGV[7] 1 when scores are whole seconds
-- ARGV[8] worker  ARGV[9] '' for the worker itself; else the jobs are taken from it because it is lost, and
-- nothing happens to those whose lease does not end in less than so many seconds
-- ARGV[10] place: finished, failed (ARGV[11]: seconds to keep; -1 for ever, 0 not at all), scheduled
-- (seconds from now), queue or head (seconds unused)
-- ARGV[12] seconds that their results are kept  ARGV[13] status  ARGV[14] n, then n names of fields
-- then for each job: id, execution, n values, and with books m, m values of the entry in the results
--
-- Returns for each job: 1 done, 2 was done before by this execution, 0 the lease was lost:
-- nothing was changed; 3 done, but more jobs wait for it than one call releases.

local push, front, prefix, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local worker, passed = ARGV[8], tonumber(ARGV[9])
local place, seconds, kept, status = ARGV[10], ARGV[11], ARGV[12], ARGV[13]
local names = tonumber(ARGV[14])
open_books(ARGV[6])
local time = redis.call('TIME')
local exact = time[1] + time[2] / 1000000
local is_end = place == 'finished' or place == 'failed'
local home = ({ finished = 3, failed = 4, scheduled = 5 })[place]

-- Keys of a wrong type end the script here, before anything is written.
redis.call('ZCARD', KEYS[2])
if home then redis.call('ZCARD', KEYS[home]) else redis.call('LLEN', KEYS[1]) end

-- Where each job's arguments begin, and its entry in wip; old RQ wrote no execution.
local begins, members, count = {}, {}, 0
local at = 15 + names
while ARGV[at] do
  count = count + 1
  begins[count] = at
  members[count] = ARGV[at + 1] == '' and ARGV[at] or ARGV[at] .. ':' .. ARGV[at + 1]
  at = at + 2 + names
  if books then at = at + 1 + ARGV[at] end
end

-- All leases in one look, since Redis 6.2.
local lease_ends = redis.pcall('ZMSCORE', KEYS[2], unpack(members))
if lease_ends.err then
  for i, member in ipairs(members) do lease_ends[i] = redis.call('ZSCORE', KEYS[2], member) end
end
-- One that is lost may have come back and renewed its lease since it was looked at.
local held, is_held = {}, {}
for i = 1, count do
  local lease_end = lease_ends[i]
  is_held[i] = lease_end and not (passed and tonumber(lease_end) > exact + passed)
  if is_held[i] then held[#held + 1] = members[i] end
end
if #held > 0 then redis.call('ZREM', KEYS[2], unpack(held)) end

-- Where the values have the moment of the end, if they have it; and whether these runs have ended well but are
-- to be repeated: for all who wait for them they have finished.
local moment, repeats
for i = 1, names do
  if ARGV[14 + i] == 'ended_at' then moment = i + 1 end
  if ARGV[14 + i] == 'repeats_left' then repeats = true end
end

-- What is to be answered for an execution without a lease: 2 when this very call did it before, and only its answer
-- was lost: the end has the moment of ours; 1 when it is still to be ended, because nobody else has taken the job.
-- (A Python program that took it away leaves the execution in its record.)
local function look_again(begin)
  local known = redis.pcall('HMGET', prefix .. ARGV[begin], 'execution_id', 'status', 'ended_at', 'worker_name')
  if known[1] ~= ARGV[begin + 1] then return 0 end
  if known[2] == 'started' then return known[4] == worker and 1 or 0 end
  if moment then return known[3] == ARGV[begin + moment] and 2 or 0 end
  return known[2] == status and 2 or 0
end

-- What goes to the registry goes there together, at the end. Exact scores keep it in the order of time,
-- which is also what makes it quick.
local entries, score = {}, nil
if place == 'scheduled' then
  score = string.format('%d', math.ceil(exact + seconds))
elseif seconds == '-1' then
  score = place == 'failed' and ARGV[5] or '+inf'
elseif ARGV[7] == '1' then
  score = string.format('%d', time[1] + seconds)
else
  score = string.format('%.3f', exact + seconds)
end

local function keep(id, key)
  if is_end and seconds == '0' then
    local group = redis.pcall('HGET', key, 'group_id')
    redis.call('DEL', key)
    delete_relatives(id, type(group) == 'string' and group)
    return
  end
  local n = #entries
  entries[n + 1], entries[n + 2] = score, id
  if is_end and seconds ~= '-1' then
    redis.call('EXPIRE', key, seconds)
    expire_relatives(id, seconds)
  end
end

-- The fields of a job: only the values change.
local fields = { 'status', status }
for i = 1, names do fields[i * 2 + 1], fields[i * 2 + 2] = ARGV[14 + i], '' end

-- A job whose lease was there, and is not any more.
local function finish(begin)
  local id, execution = ARGV[begin], ARGV[begin + 1]
  local key = prefix .. id
  local entry, known
  if books then
    local first = begin + 3 + names
    entry = { unpack(ARGV, first, first - 1 + ARGV[first - 1]) }
    known = redis.pcall('HMGET', key, 'status', 'waited', 'execution_id', 'rate_limit_key')
  else
    known = redis.pcall('HMGET', key, 'status', 'waited', 'execution_id')
  end
  -- Deleted behind our back: do not half revive it. Or only its lease was left behind; or somebody has enqueued the
  -- same id anew while it ran.
  if known[1] ~= 'started' or (not passed and known[3] ~= execution) then
    if known[1] and not passed then write_result(id, kept, entry) end
    end_stale_run(id, execution, worker, moment and ARGV[begin + moment])
    return 0
  end
  drop_execution(id, execution, worker)
  for i = 1, names do fields[i * 2 + 2] = ARGV[begin + 1 + i] end
  redis.call('HSET', key, unpack(fields))
  -- What was taken over is not the same as what its owner may still want to end.
  if passed then redis.call('HDEL', key, 'execution_id') end
  if (repeats and kept or seconds) ~= '0' then write_result(id, kept, entry) end
  local is_more = (is_end or repeats) and release_dependents(id, repeats and 'finished' or status, moment and ARGV[begin + moment])
  -- One that waits for its time comes back by way of its limit.
  if home and known[4] then leave_limit(id, known[4], moment and ARGV[begin + moment]) end
  if home then keep(id, key)
  else redis.call(place == 'head' and front or push, KEYS[1], id)
  end
  -- Somebody without the right to publish has waiters that look for themselves.
  if is_end and known[2] then redis.pcall('PUBLISH', channel .. id, status) end
  return is_more and 3 or 1
end

local replies = {}
for i = 1, count do
  local begin = begins[i]
  if is_held[i] then
    replies[i] = finish(begin)
  elseif passed then
    replies[i] = 0
  else
    replies[i] = look_again(begin)
    if replies[i] == 1 then
      replies[i] = finish(begin)
    else
      end_stale_run(ARGV[begin], ARGV[begin + 1], worker, moment and ARGV[begin + moment])
    end
  end
end
if #entries > 0 then redis.call('ZADD', KEYS[home], unpack(entries)) end
return replies
