-- heartbeat: renews a worker's record and the leases of the jobs that it runs. The first write is one that a Redis out
-- of memory accepts (EXPIRE), and lets it accept the others.
--
-- KEYS[1] worker's record  KEYS[2] set of workers
-- KEYS[3 …] for each queue: set of its workers, wip, list
-- ARGV[1] seconds the record lives  ARGV[2] lease in seconds
-- ARGV[3] score offset: seconds from the end of a lease to its score  ARGV[4] 1 when scores are whole seconds
-- ARGV[5] patterns of rq_compat  ARGV[6] job key prefix  ARGV[7] worker name  ARGV[8] last_heartbeat
-- ARGV[9] set of queues to add the worker's queues to, or ''
-- ARGV[10] n, then n values (field, value …) of the record
-- then for each running job: number of its queue (from 0), '<id>:<execution>'
--
-- A deleted lease is restored while the job's record still names this execution.
--
-- Returns '<id>:<execution>' of the leases that this worker has lost: another worker has taken the job over, or it was
-- canceled or deleted.

redis.call('EXPIRE', KEYS[1], ARGV[1])
local n = tonumber(ARGV[10])
local now = redis.call('TIME')
local seconds = tonumber(ARGV[2]) + tonumber(ARGV[3])
local lease_end = ARGV[4] == '1' and string.format('%d', now[1] + seconds)
  or string.format('%.3f', now[1] + now[2] / 1000000 + seconds)
rq_init(ARGV[5])
local lost_leases = {}

local function is_named_in_record(id, execution)
  local job = redis.pcall('HMGET', ARGV[6] .. id, 'status', 'execution_id', 'worker_name')
  return job[1] == 'started' and job[2] == execution and job[3] == ARGV[7]
end

-- Leases come before the record, and one by one: a key of a wrong type must not cost the leases of other queues.
for i = n + 11, #ARGV, 2 do
  local wip, member = KEYS[4 + 3 * tonumber(ARGV[i])], ARGV[i + 1]
  local id, execution = string.match(member, '^(.*):(.*)$')
  local has_lease = redis.pcall('ZSCORE', wip, member)
  if has_lease or is_named_in_record(id, execution) then
    redis.pcall('ZADD', wip, lease_end, member)
    if rq then
      write_execution(id, execution, ARGV[7], now, math.floor(seconds) + 60, not has_lease)
      local key = ARGV[6] .. id
      -- A job that was deleted meanwhile must not be recreated with a single field.
      if redis.call('EXISTS', key) == 1 then redis.pcall('HSET', key, 'last_heartbeat', ARGV[8]) end
    end
  else
    lost_leases[#lost_leases + 1] = member
    -- The execution uses a slot of its rate limit until the handler has stopped, so it stays alive.
    if rq and redis.pcall('EXISTS', rq_key(EXECUTION, member)) == 1 then
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
return lost_leases
