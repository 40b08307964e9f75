-- promote_due: moves jobs that are due to their queue, as well as jobs that RQ has released from their dependencies
-- and not yet put into their queue: then the registry is the one of jobs that are ready to be enqueued.
--
-- Keys that follow, to take the lock of RQ's schedulers: the lock and the scheduler's record. Whoever holds the lock
-- moves the jobs, and two would move them twice.
-- Arguments that follow: fields and values of the scheduler's record.
--
-- Returns how many jobs it took out of the registry.

local LOCK_TTL = 61 -- seconds, RQ's value

local lock, record = KEYS[FIRST_KEY], KEYS[FIRST_KEY + 1]
local holder = lock and redis.call('GET', lock)
if holder and holder ~= scheduler then return 0 end
require_type('LLEN', LIST)
require_type('SCARD', QUEUES)
if scheduler ~= '' then
  -- A Redis out of memory rejects these, and accepts the ZREM below all the same.
  redis.pcall('SET', lock, scheduler, 'EX', LOCK_TTL)
  redis.pcall('HSET', record, unpack(ARGV, FIRST_ARG))
  redis.pcall('EXPIRE', record, LOCK_TTL)
end
local time = redis.call('TIME')
local now = string.format('%d.%06d', time[1], time[2])
local due = redis.call('ZRANGEBYSCORE', REGISTRY, '-inf', now, 'LIMIT', 0, max_jobs)
if #due == 0 then return 0 end
redis.call('ZREM', REGISTRY, unpack(due))
-- RQ lets people schedule a job by hand, which then is 'created'.
local waiting = { scheduled = true, created = true, ready_to_enqueue = true }
local back, front = {}, {}
for _, id in ipairs(due) do
  local key = JOB_PREFIX .. id
  local job = redis.pcall('HMGET', key, 'status', 'enqueue_at_front', 'enqueue_at_front_on_retry', 'ended_at',
    'rate_limit_key', 'rate_limit_concurrency')
  if job.err then
    redis.pcall('ZADD', UNREADABLE, time[1], id)
  elseif waiting[job[1]] then
    local has_run = job[4] and job[4] ~= ''
    local at_front = job[2] == '1' or (job[3] == '1' and has_run)
    if has_rate_limit(job[5], job[6]) then
      queue_for_limit(id, job[5], job[6], enqueued_at, at_front)
    else
      local ids = at_front and front or back
      redis.call('HSET', key, 'status', 'queued', 'enqueued_at', enqueued_at)
      ids[#ids + 1] = id
    end
  end
end
if #back + #front > 0 then redis.call('SADD', QUEUES, LIST) end
if #back > 0 then redis.call(PUSH, LIST, unpack(back)) end
if #front > 0 then redis.call(PUSH_FRONT, LIST, unpack(front)) end
return #due
