-- cron_tick: one tick of a cron entry, which enqueues one job however many workers see that the entry is due. The
-- script enqueue is put in front of it as a function.
--
-- KEYS[1] … KEYS[3] those of enqueue  KEYS[4] entry  KEYS[5] ids of its jobs  KEYS[6] names of entries
-- ARGV[1] 'tick'; 'pass' for a tick that was missed and enqueues nothing; 'run' for a job now, asked for by a person
-- ARGV[2] name  ARGV[3] time of the last tick that the caller knows, or ''
-- ARGV[4] time of this tick, seconds since 1970  ARGV[5] schedule and time zone
-- ARGV[6] 1 to skip the tick while the job of the last one has not ended  ARGV[7] a test's time for now, or ''
-- ARGV[8] … arguments of enqueue, with one job
--
-- Returns { outcome, time of the last tick }. Outcome: 1 enqueued, 2 skipped because the last job has not ended,
-- 3 skipped because the entry is paused, 4 passed, 5 not due yet, 6 another worker was first

local MAX_JOBS, YEAR = 1000, 31536000 -- the length of an entry's history, and how long it is kept: RQ's values
local ENTRY_TTL = 10 * YEAR -- longer than the longest interval: some schedules are due every fourth year

local mode, name, known, tick = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local prefix, id = ARGV[10], ARGV[12]
local time = redis.call('TIME')
local now = ARGV[7] ~= '' and tonumber(ARGV[7]) or time[1] + time[2] / 1000000

-- A key of a wrong type, also one that enqueue needs, ends the script here: a tick is not used up without its job.
local entry = redis.call('HMGET', KEYS[4], 'last', 'job', 'paused')
redis.call('ZCARD', KEYS[5])
redis.call('ZCARD', KEYS[6])
redis.call('LLEN', KEYS[1])
redis.call('SCARD', KEYS[2])
redis.call('ZCARD', KEYS[3])
local last, last_job = entry[1] or '', entry[2]

local function is_active(job_id)
  local status = redis.pcall('HGET', prefix .. job_id, 'status')
  local ended = { finished = true, failed = true, stopped = true, canceled = true }
  return type(status) == 'string' and not ended[status]
end

if mode ~= 'run' then
  -- This very call was made before, and its reply was lost; or another worker was first.
  if last ~= known then return { last_job == id and 1 or 6, last } end
  if tonumber(tick) > now then return { 5, last } end
  redis.call('HSET', KEYS[4], 'last', tick, 'schedule', ARGV[5])
  redis.call('EXPIRE', KEYS[4], ENTRY_TTL)
  last = tick
  if mode == 'pass' then return { 4, last } end
  if entry[3] then return { 3, last } end
  if ARGV[6] == '1' and last_job and is_active(last_job) then return { 2, last } end
end

local arguments = {}
for i = 8, #ARGV do arguments[i - 7] = ARGV[i] end
enqueue({ KEYS[1], KEYS[2], KEYS[3] }, arguments)
-- A manual run does not replace the job that the next tick checks while that one is active.
if mode ~= 'run' or not (last_job and is_active(last_job)) then redis.call('HSET', KEYS[4], 'job', id) end
redis.call('EXPIRE', KEYS[4], ENTRY_TTL)
redis.call('ZADD', KEYS[5], string.format('%.6f', now), id)
redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -1 - MAX_JOBS)
redis.call('EXPIRE', KEYS[5], YEAR)
redis.call('ZADD', KEYS[6], string.format('%.6f', now), name)
return { 1, last }
