-- requeue_stranded_job: puts a stranded job into its queue: one that is in no list and no registry, whatever its record
-- says.
--
-- Keys that follow: the registries but wip.
--
-- Returns 1 the job is in its queue, 0 its status forbids it or it is not stranded, 2 there is no record, 3 a list is
-- too long to be searched; or { last_heartbeat, lease, now } of a worker of rq-rs that may run the job. A worker
-- restores the deleted lease of a job that it runs with its next heartbeat. So the caller waits for that heartbeat and
-- calls again: if the worker's last_heartbeat is newer then, and the job still has no lease, the worker does not run
-- the job.

local CHUNK = 1000

-- LPOS exists since Redis 6.0.6; for an older server the list is read in chunks.
local function is_in_list(list)
  local at = redis.pcall('LPOS', list, id)
  if type(at) ~= 'table' then return at and true end
  for first = 0, redis.call('LLEN', list) - 1, CHUNK do
    for _, listed in ipairs(redis.call('LRANGE', list, first, first + CHUNK - 1)) do
      if listed == id then return true end
    end
  end
  return false
end

-- Returns the last heartbeat of the worker that the record names, if that worker may still run the job. It does not run
-- it if it has died, if another worker has its name now, or if it was idle later. Python's workers have no `lease`.
local function last_heartbeat_of(worker, started_at)
  local record = redis.pcall('HMGET', WORKER_PREFIX .. worker, 'last_heartbeat', 'lease', 'birth', 'death', 'state')
  if record.err or not record[1] or not record[2] or record[4] then return end
  if record[3] and record[3] > started_at or record[5] == 'idle' and record[1] > started_at then return end
  return (seen_heartbeat == '' or seen_heartbeat == record[1]) and { record[1], record[2], redis.call('TIME')[1] }
end

-- Returns true if the job is in a registry, has a lease, or waits for its rate limit.
local function is_in_registry(execution, limit)
  for i = FIRST_KEY, #KEYS do
    if redis.call('ZSCORE', KEYS[i], id) then return true end
  end
  return redis.call('ZSCORE', WIP, id .. ':' .. (execution or '')) or redis.call('ZSCORE', WIP, id)
    or RQ and limit and limit ~= '' and redis.pcall('ZSCORE', limit_waiting_key(limit), id)
end

local job = redis.call('HMGET', JOB, 'data', 'status', 'execution_id', 'enqueued_at', 'rate_limit_key',
  'worker_name', 'started_at')
if not job[1] then return 2 end
local status = job[2] and job[2] ~= '' and job[2] or 'created'
-- This very call was made before, and its reply was lost.
if (status == 'queued' or status == 'rate_limited') and job[4] == enqueued_at then return 1 end
if not is_one_of(status, statuses) or is_in_registry(job[3], job[5]) then return 0 end
-- The execution that the record names outlives its lease, so it does not count: its worker's heartbeat decides.
local execution = status == 'started' and job[3]
if is_running(id, execution) then return 0 end
for _, list in ipairs({ LIST, INTERMEDIATE }) do
  if redis.call('LLEN', list) > max_searched then return 3 end
  if is_in_list(list) then return 0 end
end
local heartbeat = status == 'started' and job[6] and last_heartbeat_of(job[6], job[7] or '')
if heartbeat then return heartbeat end
if execution then delete_execution(id, execution, job[6] or '') end
redis.call('SADD', QUEUES, LIST)
redis.call('PERSIST', JOB)
if as_new then reset_job(JOB) else redis.call('HDEL', JOB, 'execution_id') end
enqueue_or_wait(id, LIST, enqueued_at)
return 1
