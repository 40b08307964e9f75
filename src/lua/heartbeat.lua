-- heartbeat: renews a worker's record and the leases of the jobs that it runs. The first write is one that a Redis out
-- of memory accepts (EXPIRE), and lets it accept the others.
--
-- Keys that follow, for each queue: set of its workers, wip, list.
-- Arguments that follow: `values` values (field, value …) of the record, then for each running job the number of its
-- queue (from 0) and '<id>:<execution>'.
--
-- A deleted lease is restored while the job's record still names this execution.
--
-- Returns '<id>:<execution>' of the leases that this worker has lost: another worker has taken the job over, or it was
-- canceled or deleted.

redis.call('EXPIRE', RECORD, record_ttl)
local now = redis.call('TIME')
local lease_end = lease_score(now, lease)
local lost_leases = {}

local function is_named_in_record(id, execution)
  local job = redis.pcall('HMGET', JOB_PREFIX .. id, 'status', 'execution_id', 'worker_name')
  return job[1] == 'started' and job[2] == execution and job[3] == worker
end

local function renew_lease(wip, member)
  local id, execution = string.match(member, '^(.*):(.*)$')
  local has_lease = redis.pcall('ZSCORE', wip, member)
  if not has_lease and not is_named_in_record(id, execution) then
    lost_leases[#lost_leases + 1] = member
    -- The execution uses a slot of its rate limit until the handler has stopped, so it stays alive.
    if RQ and redis.pcall('EXISTS', execution_key(member)) == 1 then
      write_execution(id, execution, worker, now, lease, false)
    end
    return
  end
  redis.pcall('ZADD', wip, lease_end, member)
  if not RQ then return end
  write_execution(id, execution, worker, now, lease, not has_lease)
  -- A job that was deleted meanwhile must not be recreated with a single field.
  local key = JOB_PREFIX .. id
  if redis.call('EXISTS', key) == 1 then redis.pcall('HSET', key, 'last_heartbeat', last_heartbeat) end
end

-- Leases come before the record, and one by one: a key of a wrong type must not cost the leases of other queues.
for i = FIRST_ARG + values, #ARGV, 2 do
  renew_lease(KEYS[FIRST_KEY + 1 + 3 * tonumber(ARGV[i])], ARGV[i + 1])
end
redis.call('HSET', RECORD, unpack(ARGV, FIRST_ARG, FIRST_ARG + values - 1))
redis.call('HDEL', RECORD, 'death')
redis.call('EXPIRE', RECORD, record_ttl)
redis.pcall('SADD', WORKERS, RECORD)
for i = FIRST_KEY, #KEYS, 3 do
  redis.pcall('SADD', KEYS[i], RECORD)
  if RQ then redis.pcall('SADD', QUEUES, KEYS[i + 2]) end -- RQ's tools show only queues of this set
end
return lost_leases
