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

local stored = {}
local at = 4
while at <= #ARGV do
  local id, front, ttl, n = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local first = at + 4
  local job = ARGV[3] .. id
  at = first + n
  if redis.call('EXISTS', job) == 0 then
    redis.call('HSET', job, unpack(ARGV, first, at - 1))
    if ttl ~= '' then redis.call('EXPIRE', job, ttl) end
    redis.call(front == '1' and ARGV[2] or ARGV[1], KEYS[1], id)
    stored[#stored + 1] = 1
  else
    local created = redis.pcall('HGET', job, 'created_at')
    stored[#stored + 1] = created == ARGV[first + 1] and 1 or 0
  end
end
return stored
