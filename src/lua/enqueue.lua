-- enqueue: stores new jobs and pushes their ids, each one wholly or not at all.
--
-- KEYS[1] queue list
-- KEYS[2] set of queues
-- ARGV[1] push command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- then for each job: id, 1 for the front or 0, seconds to live or '', n, n values (field, value …);
-- the second value is created_at, which tells our own repeated call from a stranger's job.
--
-- Returns for each job: 1 stored (also when this very call stored it before), 0 the id is taken.

redis.call('SADD', KEYS[2], KEYS[1])
redis.call('LLEN', KEYS[1]) -- a key of a wrong type ends the script here, before anything is written

local stored, back, front = {}, {}, {}
local at, count = 4, 0
while ARGV[at] do
  local id, first = ARGV[at], at + 4
  local job = ARGV[3] .. id
  local is_front, ttl = ARGV[at + 1] == '1', ARGV[at + 2]
  at = first + ARGV[at + 3]
  count = count + 1
  if redis.call('EXISTS', job) == 0 then
    redis.call('HSET', job, unpack(ARGV, first, at - 1))
    if ttl ~= '' then redis.call('EXPIRE', job, ttl) end
    local ids = is_front and front or back
    ids[#ids + 1] = id
    stored[count] = 1
  else
    local created = redis.pcall('HGET', job, 'created_at')
    stored[count] = created == ARGV[first + 1] and 1 or 0
  end
end
if #back > 0 then redis.call(ARGV[1], KEYS[1], unpack(back)) end
if #front > 0 then redis.call(ARGV[2], KEYS[1], unpack(front)) end
return stored
