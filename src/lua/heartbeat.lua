-- heartbeat: renews a worker's record and the leases of what it runs.
-- The first write cannot be refused by a full Redis (EXPIRE), so the others pass too.
--
-- KEYS[1] worker hash  KEYS[2] set of workers
-- KEYS[3 …] for each queue: set of its workers, wip, list
-- ARGV[1] seconds the record lives  ARGV[2] lease in seconds  ARGV[3] how many seconds after it its
-- score ends  ARGV[4] 1 when scores are whole seconds  ARGV[5] patterns of the books
-- ARGV[6] job key prefix  ARGV[7] worker name  ARGV[8] last_heartbeat
-- ARGV[9] set of queues to be known in, or ''  ARGV[10] n, then n values for the record
-- then for each running job: number of its queue (from 0), '<id>:<execution>'
--
-- A lease that is gone comes back while the record is still this execution's: somebody has deleted the key.
--
-- Returns the members whose job is not this worker's any more: taken over, canceled or deleted.

redis.call('EXPIRE', KEYS[1], ARGV[1])
local n = tonumber(ARGV[10])
local now = redis.call('TIME')
local seconds = tonumber(ARGV[2]) + tonumber(ARGV[3])
local lease_end = ARGV[4] == '1' and string.format('%d', now[1] + seconds)
  or string.format('%.3f', now[1] + now[2] / 1000000 + seconds)
open_books(ARGV[5])
local lost = {}

local function is_ours(id, execution)
  local held = redis.pcall('HMGET', ARGV[6] .. id, 'status', 'execution_id', 'worker_name')
  return held[1] == 'started' and held[2] == execution and held[3] == ARGV[7]
end

-- The leases first, each by itself: a key that another program has taken must not cost the others.
for i = n + 11, #ARGV, 2 do
  local wip, member = KEYS[4 + 3 * tonumber(ARGV[i])], ARGV[i + 1]
  local id, execution = string.match(member, '^(.*):(.*)$')
  local has_lease = redis.pcall('ZSCORE', wip, member)
  if has_lease or is_ours(id, execution) then
    redis.pcall('ZADD', wip, lease_end, member)
    if books then
      write_execution(id, execution, ARGV[7], now, math.floor(seconds) + 60, not has_lease)
      local job = ARGV[6] .. id
      -- A job that was deleted meanwhile must not come back as a stump.
      if redis.call('EXISTS', job) == 1 then redis.pcall('HSET', job, 'last_heartbeat', ARGV[8]) end
    end
  else
    lost[#lost + 1] = member
    -- A rate limit counts it until its handler has stopped.
    if books and redis.pcall('EXISTS', book(EXECUTION, member)) == 1 then
      write_execution(id, execution, ARGV[7], now, math.floor(seconds) + 60, false)
    end
  end
end

redis.call('HSET', KEYS[1], unpack(ARGV, 11, n + 10))
redis.call('HDEL', KEYS[1], 'death')
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.pcall('SADD', KEYS[2], KEYS[1])
for i = 3, #KEYS, 3 do
  redis.pcall('SADD', KEYS[i], KEYS[1])
  if ARGV[9] ~= '' then redis.pcall('SADD', ARGV[9], KEYS[i + 2]) end
end
return lost
