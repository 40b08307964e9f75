-- promote_due: moves jobs that are due to their queue, as well as jobs that RQ has released from their dependencies
-- and not yet put into their queue.
--
-- KEYS[1] scheduled, or RQ's registry of jobs that are ready to be enqueued  KEYS[2] list  KEYS[3] set of queues
-- KEYS[4] unreadable
-- KEYS[5] lock of RQ's schedulers: whoever holds it moves the jobs, and two would move them twice
-- KEYS[6] scheduler's record
-- ARGV[1] push command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- ARGV[4] enqueued_at  ARGV[5] number of jobs at most  ARGV[6] patterns of rq_compat
-- ARGV[7] the value of the lock that all workers of rq-rs share, '' not to lock
-- then fields and values of the scheduler's record
--
-- Returns how many jobs it took out of the registry.

local LOCK_TTL = 61 -- seconds, RQ's value

local holder = KEYS[5] and redis.call('GET', KEYS[5])
if holder and holder ~= ARGV[7] then return 0 end
redis.call('LLEN', KEYS[2]) -- a key of a wrong type ends the script here, before anything is written
redis.call('SCARD', KEYS[3])
rq_init(ARGV[6])
if ARGV[7] ~= '' then
  -- A Redis out of memory rejects these, and accepts the ZREM below all the same.
  redis.pcall('SET', KEYS[5], ARGV[7], 'EX', LOCK_TTL)
  redis.pcall('HSET', KEYS[6], unpack(ARGV, 8))
  redis.pcall('EXPIRE', KEYS[6], LOCK_TTL)
end
local time = redis.call('TIME')
local now = string.format('%d.%06d', time[1], time[2])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[5])
if #due == 0 then return 0 end
redis.call('ZREM', KEYS[1], unpack(due))
-- RQ lets people schedule a job by hand, which then is 'created'.
local waiting = { scheduled = true, created = true, ready_to_enqueue = true }
local back, front = {}, {}
for _, id in ipairs(due) do
  local key = ARGV[3] .. id
  local job = redis.pcall('HMGET', key, 'status', 'enqueue_at_front', 'enqueue_at_front_on_retry', 'ended_at',
    'rate_limit_key', 'rate_limit_concurrency')
  if job.err then
    redis.pcall('ZADD', KEYS[4], time[1], id)
  elseif waiting[job[1]] then
    local has_run = job[4] and job[4] ~= ''
    local at_front = job[2] == '1' or (job[3] == '1' and has_run)
    if has_rate_limit(job[5], job[6]) then
      queue_for_limit(key, id, job[5], job[6], ARGV[4], at_front)
    else
      local ids = at_front and front or back
      redis.call('HSET', key, 'status', 'queued', 'enqueued_at', ARGV[4])
      ids[#ids + 1] = id
    end
  end
end
if #back + #front > 0 then redis.call('SADD', KEYS[3], KEYS[2]) end
if #back > 0 then redis.call(ARGV[1], KEYS[2], unpack(back)) end
if #front > 0 then redis.call(ARGV[2], KEYS[2], unpack(front)) end
return #due
