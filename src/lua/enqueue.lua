-- enqueue: stores new jobs and pushes their ids to the queue, or schedules them. Each job is stored wholly or not at
-- all.
--
-- KEYS[1] list  KEYS[2] set of queues  KEYS[3] scheduled
-- ARGV[1] push command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- ARGV[4] 1 when scores are whole seconds, 0 when not, '' when no job has a time
-- then for each job: id, destination, seconds to live or '', n, n values (field, value …)
--   destination: 0 back of the queue, 1 its front; in scheduled: '+seconds' from now, '@seconds' since 1970
--   the first field is created_at, which tells a repeated call from another job with the same id
--
-- Returns for each job: 1 stored (also when this very call stored it before), 0 the id exists.

redis.call('SADD', KEYS[2], KEYS[1])
redis.call('LLEN', KEYS[1]) -- a key of a wrong type ends the script here, before a job is stored

if ARGV[4] ~= '' then redis.call('ZCARD', KEYS[3]) end

local entries, now = {}, nil

-- Returns the score of a scheduled job, and the seconds until it is due.
local function due(destination)
  if not now then
    local time = redis.call('TIME')
    now = time[1] + time[2] / 1000000
  end
  local at = tonumber(string.sub(destination, 2))
  if string.sub(destination, 1, 1) == '+' then at = now + at end
  local score = ARGV[4] == '1' and string.format('%d', math.ceil(at)) or string.format('%.3f', at)
  return score, math.max(0, math.ceil(at - now))
end

local stored, back, front = {}, {}, {}
local next_arg, count = 5, 0
while ARGV[next_arg] do
  local id, first = ARGV[next_arg], next_arg + 4
  local key = ARGV[3] .. id
  local destination, ttl = ARGV[next_arg + 1], ARGV[next_arg + 2]
  next_arg = first + ARGV[next_arg + 3]
  count = count + 1
  if redis.call('EXISTS', key) == 0 then
    local score, delay
    if destination ~= '0' and destination ~= '1' then score, delay = due(destination) end
    redis.call('HSET', key, unpack(ARGV, first, next_arg - 1))
    -- The time to live limits the wait in the queue, so it begins when the job gets there.
    if ttl ~= '' then redis.call('EXPIRE', key, ttl + (delay or 0)) end
    if score then
      entries[#entries + 1], entries[#entries + 2] = score, id
    else
      local ids = destination == '1' and front or back
      ids[#ids + 1] = id
    end
    stored[count] = 1
  else
    local created_at = redis.pcall('HGET', key, 'created_at')
    stored[count] = created_at == ARGV[first + 1] and 1 or 0
  end
end
if #back > 0 then redis.call(ARGV[1], KEYS[1], unpack(back)) end
if #front > 0 then redis.call(ARGV[2], KEYS[1], unpack(front)) end
if #entries > 0 then redis.call('ZADD', KEYS[3], unpack(entries)) end
return stored
