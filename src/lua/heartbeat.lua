-- heartbeat: renews a worker's record and the leases of what it runs.
-- The first write cannot be refused by a full Redis (EXPIRE), so the others pass too.
--
-- KEYS[1] worker hash  KEYS[2] set of workers
-- KEYS[3 …] for each queue: set of its workers, wip
-- ARGV[1] seconds the record lives  ARGV[2] lease in seconds  ARGV[3] n, then n values for the record
-- then for each running job: number of its queue (from 0), '<id>:<execution>'
--
-- Returns the members whose lease is gone: taken over, canceled or deleted.

redis.call('EXPIRE', KEYS[1], ARGV[1])
local n = tonumber(ARGV[3])
local now = redis.call('TIME')
local lease_end = string.format('%.3f', now[1] + now[2] / 1000000 + tonumber(ARGV[2]))
local lost = {}
-- The leases first, each by itself: a key that another program has taken must not cost the others.
for i = n + 4, #ARGV, 2 do
  local wip, member = KEYS[4 + 2 * tonumber(ARGV[i])], ARGV[i + 1]
  if redis.pcall('ZSCORE', wip, member) then
    redis.pcall('ZADD', wip, lease_end, member)
  else
    lost[#lost + 1] = member
  end
end

redis.call('HSET', KEYS[1], unpack(ARGV, 4, n + 3))
redis.call('HDEL', KEYS[1], 'death')
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.pcall('SADD', KEYS[2], KEYS[1])
for i = 3, #KEYS, 2 do redis.pcall('SADD', KEYS[i], KEYS[1]) end
return lost
