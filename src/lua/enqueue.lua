-- enqueue: stores new jobs and pushes their ids, or schedules them, each one wholly or not at all.
--
-- KEYS[1] queue list
-- KEYS[2] set of queues
-- KEYS[3] scheduled
-- ARGV[1] push command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- ARGV[4] 1 when scores are whole seconds, 0 when not, '' when no job has a time
-- then for each job: id, place, seconds to live or '', n, n values (field, value …); the place is 0 behind the
-- others, 1 before them, '+seconds' from now or '@seconds' since 1970 in scheduled;
-- the second value is created_at, which tells our own repeated call from a stranger's job.
--
-- Returns for each job: 1 stored (also when this very call stored it before), 0 the id is taken.

redis.call('SADD', KEYS[2], KEYS[1])
redis.call('LLEN', KEYS[1]) -- a key of a wrong type ends the script here, before anything is written

if ARGV[4] ~= '' then redis.call('ZCARD', KEYS[3]) end

local entries, now = {}, nil

-- Its score, and the seconds until then.
local function due(place)
  if not now then
    local time = redis.call('TIME')
    now = time[1] + time[2] / 1000000
  end
  local moment = tonumber(string.sub(place, 2))
  if string.sub(place, 1, 1) == '+' then moment = now + moment end
  local score = ARGV[4] == '1' and string.format('%d', math.ceil(moment)) or string.format('%.3f', moment)
  return score, math.max(0, math.ceil(moment - now))
end

local stored, back, front = {}, {}, {}
local at, count = 5, 0
while ARGV[at] do
  local id, first = ARGV[at], at + 4
  local job = ARGV[3] .. id
  local place, ttl = ARGV[at + 1], ARGV[at + 2]
  at = first + ARGV[at + 3]
  count = count + 1
  if redis.call('EXISTS', job) == 0 then
    local score, wait
    if place ~= '0' and place ~= '1' then score, wait = due(place) end
    redis.call('HSET', job, unpack(ARGV, first, at - 1))
    -- How long it may wait in the queue is counted from when it gets there.
    if ttl ~= '' then redis.call('EXPIRE', job, ttl + (wait or 0)) end
    if score then
      entries[#entries + 1], entries[#entries + 2] = score, id
    else
      local ids = place == '1' and front or back
      ids[#ids + 1] = id
    end
    stored[count] = 1
  else
    local created = redis.pcall('HGET', job, 'created_at')
    stored[count] = created == ARGV[first + 1] and 1 or 0
  end
end
if #back > 0 then redis.call(ARGV[1], KEYS[1], unpack(back)) end
if #front > 0 then redis.call(ARGV[2], KEYS[1], unpack(front)) end
if #entries > 0 then redis.call('ZADD', KEYS[3], unpack(entries)) end
return stored
