-- cron_tick: one tick of a cron entry: one job, however many workers see that it is due. Stands behind enqueue.
--
-- KEYS[1] … KEYS[3] those of enqueue  KEYS[4] entry  KEYS[5] ids of its jobs  KEYS[6] names of entries
-- ARGV[1] 'tick', 'pass' (time has passed, and no job follows) or 'run' (somebody wants a job now)
-- ARGV[2] name  ARGV[3] the last tick as the caller knows it, or ''  ARGV[4] this tick, seconds since 1970
-- ARGV[5] schedule and time zone  ARGV[6] 1 to skip it while the job before is not done
-- ARGV[7] what a test takes for now, or ''
-- ARGV[8] … enqueue's arguments, with one job
--
-- Returns { what, last tick }; what: 1 enqueued, 2 skipped because the job before is not done, 3 skipped because
-- the entry is paused, 4 passed, 5 not due yet, 6 somebody was first

local KEPT, YEAR = 1000, 31536000 -- RQ's history of an entry
local DECADE = 10 * YEAR -- there are schedules that are due every fourth year

local what, name, known, tick = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local prefix, id = ARGV[10], ARGV[12]
local time = redis.call('TIME')
local now = ARGV[7] ~= '' and tonumber(ARGV[7]) or time[1] + time[2] / 1000000

local held = redis.call('HMGET', KEYS[4], 'last', 'job', 'paused')
redis.call('ZCARD', KEYS[5])
redis.call('ZCARD', KEYS[6])
-- What enqueue needs is looked at before anything is written: a tick is never taken for nothing.
redis.call('LLEN', KEYS[1])
redis.call('SCARD', KEYS[2])
redis.call('ZCARD', KEYS[3])
local last, job = held[1] or '', held[2]

local function is_active(id)
  local status = redis.pcall('HGET', prefix .. id, 'status')
  local ended = { finished = true, failed = true, stopped = true, canceled = true }
  return type(status) == 'string' and not ended[status]
end

if what ~= 'run' then
  -- Our own call repeated, whose answer was lost; or another worker's.
  if last ~= known then return { job == id and 1 or 6, last } end
  if tonumber(tick) > now then return { 5, last } end
  redis.call('HSET', KEYS[4], 'last', tick, 'schedule', ARGV[5])
  redis.call('EXPIRE', KEYS[4], DECADE)
  last = tick
  if what == 'pass' then return { 4, last } end
  if held[3] then return { 3, last } end
  if ARGV[6] == '1' and job and is_active(job) then return { 2, last } end
end

local arguments = {}
for i = 8, #ARGV do arguments[i - 7] = ARGV[i] end
enqueue({ KEYS[1], KEYS[2], KEYS[3] }, arguments)
-- A job that somebody wanted beside one that is not done is not the one that the next tick looks at.
if what ~= 'run' or not (job and is_active(job)) then redis.call('HSET', KEYS[4], 'job', id) end
redis.call('EXPIRE', KEYS[4], DECADE)
redis.call('ZADD', KEYS[5], string.format('%.6f', now), id)
redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -1 - KEPT)
redis.call('EXPIRE', KEYS[5], YEAR)
redis.call('ZADD', KEYS[6], string.format('%.6f', now), name)
return { 1, last }
