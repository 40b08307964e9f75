-- cron_tick: one tick of a cron entry, which enqueues one job however many workers see that the entry is due.
--
-- mode: 'tick'; 'pass' for a tick that was missed and enqueues nothing; 'run' for a job now, asked for by a person
-- Arguments that follow: the job, as for `enqueue`.
--
-- Returns { outcome, time of the last tick }. Outcome: 1 enqueued, 2 skipped because the last job has not ended,
-- 3 skipped because the entry is paused, 4 passed, 5 not due yet, 6 another worker was first

local MAX_JOBS, YEAR = 1000, 31536000 -- the length of an entry's history, and how long it is kept: RQ's values
local ENTRY_TTL = 10 * YEAR -- longer than the longest interval: some schedules are due every fourth year

local now = clock or seconds_of(redis.call('TIME'))
local id = ARGV[FIRST_ARG]

-- All types are checked here, also those that the job needs: a tick is not used up without its job.
local entry = redis.call('HMGET', ENTRY, 'last', 'job', 'paused')
require_type('ZCARD', ENTRY_JOBS, ENTRIES, SCHEDULED)
require_type('LLEN', LIST)
require_type('SCARD', QUEUES)
local last, last_job = entry[1] or '', entry[2]

local function is_active(job_id)
  local status = redis.pcall('HGET', JOB_PREFIX .. job_id, 'status')
  return type(status) == 'string' and not HAS_ENDED[status]
end

if mode ~= 'run' then
  -- This very call was made before, and its reply was lost; or another worker was first.
  if last ~= known_last then return { last_job == id and 1 or 6, last } end
  if tonumber(tick) > now then return { 5, last } end
  redis.call('HSET', ENTRY, 'last', tick, 'schedule', schedule)
  redis.call('EXPIRE', ENTRY, ENTRY_TTL)
  last = tick
  if mode == 'pass' then return { 4, last } end
  if entry[3] then return { 3, last } end
  if skips_overlap and last_job and is_active(last_job) then return { 2, last } end
end

store_jobs(LIST, QUEUES, SCHEDULED, has_times, FIRST_ARG)
-- A manual run does not replace the job that the next tick checks while that one is active.
if mode ~= 'run' or not (last_job and is_active(last_job)) then redis.call('HSET', ENTRY, 'job', id) end
redis.call('EXPIRE', ENTRY, ENTRY_TTL)
redis.call('ZADD', ENTRY_JOBS, string.format('%.6f', now), id)
redis.call('ZREMRANGEBYRANK', ENTRY_JOBS, 0, -1 - MAX_JOBS)
redis.call('EXPIRE', ENTRY_JOBS, YEAR)
redis.call('ZADD', ENTRIES, string.format('%.6f', now), name)
return { 1, last }
