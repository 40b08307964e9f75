-- requeue_stranded_job: puts a stranded job into its queue: one that is in no list and no registry, whatever its record
-- says.
--
-- KEYS[1] job  KEYS[2] list  KEYS[3] intermediate list  KEYS[4] wip  KEYS[5] set of queues
-- KEYS[6 …] the other registries
-- ARGV[1] id  ARGV[2] push command  ARGV[3] enqueued_at  ARGV[4] patterns of rq_compat
-- ARGV[5] length of the longest list that is searched
-- ARGV[6] field that counts retries to make the job new, '' to keep its counts
-- ARGV[7] statuses with which a job may be requeued  ARGV[8] prefix of a worker's key
-- ARGV[9] last_heartbeat of its worker that an earlier call has returned, '' for none
--
-- Returns 1 the job is in its queue, 0 its status forbids it or it is not stranded, 2 there is no record, 3 a list is
-- too long to be searched; or { last_heartbeat, lease, now } of a worker of rq-rs that may run the job. A worker
-- restores the deleted lease of a job that it runs with its next heartbeat. So the caller waits for that heartbeat and
-- calls again: if the worker's last_heartbeat is newer then, and the job still has no lease, the worker does not run
-- the job.

local key, id, CHUNK = KEYS[1], ARGV[1], 1000

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
  local record = redis.pcall('HMGET', ARGV[8] .. worker, 'last_heartbeat', 'lease', 'birth', 'death', 'state')
  if record.err or not record[1] or not record[2] or record[4] then return end
  if record[3] and record[3] > started_at or record[5] == 'idle' and record[1] > started_at then return end
  return (ARGV[9] == '' or ARGV[9] == record[1]) and { record[1], record[2], redis.call('TIME')[1] }
end

rq_init(ARGV[4])
local job = redis.call('HMGET', key, 'data', 'status', 'execution_id', 'enqueued_at', 'rate_limit_key',
  'worker_name', 'started_at')
if not job[1] then return 2 end
local status = job[2] and job[2] ~= '' and job[2] or 'created'
-- This very call was made before, and its reply was lost.
if (status == 'queued' or status == 'rate_limited') and job[4] == ARGV[3] then return 1 end
if not string.find(' ' .. ARGV[7] .. ' ', ' ' .. status .. ' ', 1, true) then return 0 end
for i = 6, #KEYS do
  if redis.call('ZSCORE', KEYS[i], id) then return 0 end
end
if redis.call('ZSCORE', KEYS[4], id .. ':' .. (job[3] or '')) or redis.call('ZSCORE', KEYS[4], id) then return 0 end
local limit = rq and job[5] and job[5] ~= '' and job[5]
-- The execution that the record names outlives its lease, so it does not count: its worker's heartbeat decides.
local execution = status == 'started' and job[3]
if is_running(id, execution) or limit and redis.pcall('ZSCORE', rq_key(WAITING, limit), id) then return 0 end
for i = 2, 3 do
  if redis.call('LLEN', KEYS[i]) > tonumber(ARGV[5]) then return 3 end
  if is_in_list(KEYS[i]) then return 0 end
end
local heartbeat = status == 'started' and job[6] and last_heartbeat_of(job[6], job[7] or '')
if heartbeat then return heartbeat end
if execution then delete_execution(id, execution, job[6] or '') end
redis.call('SADD', KEYS[5], KEYS[2])
redis.call('PERSIST', key)
if ARGV[6] ~= '' then reset_job(key, ARGV[6]) else redis.call('HDEL', key, 'execution_id') end
enqueue_or_wait(key, id, KEYS[2], ARGV[2], ARGV[3])
return 1
