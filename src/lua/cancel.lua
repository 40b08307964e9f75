-- cancel: takes a job that has not ended out of its queue or registry. A job that runs loses its lease, so that
-- the end of its execution is fenced.
--
-- KEYS[1] job  KEYS[2] list  KEYS[3] intermediate list  KEYS[4] wip  KEYS[5] scheduled
-- KEYS[6] deferred  KEYS[7] ready  KEYS[8] canceled  KEYS[9] channel on which the job's end is published
-- ARGV[1] id  ARGV[2] ended_at  ARGV[3] seconds to keep the record, or -1
-- ARGV[4] length of the longest list that is searched; in a longer one the id stays, and the claim drops it
-- ARGV[5] patterns of rq_compat
--
-- Returns the status the job had, or false when there is no such job.

local key, id = KEYS[1], ARGV[1]
local job = redis.call('HMGET', key, 'status', 'execution_id', 'data', 'worker_name', 'rate_limit_key')
if not job[1] and not job[3] then return false end
local status = job[1] or 'created'
-- This very call was made before, and its reply was lost.
if status == 'canceled' and redis.call('HGET', key, 'ended_at') == ARGV[2] then return 'queued' end
if status == 'finished' or status == 'failed' or status == 'stopped' or status == 'canceled' then
  return status
end
-- A key of a wrong type ends the script here, before anything is written.
for i = 2, 3 do redis.call('LLEN', KEYS[i]) end
for i = 4, 8 do redis.call('ZCARD', KEYS[i]) end
rq_init(ARGV[5])
local limit = job[5] and job[5] ~= '' and job[5]
end_executions(id, KEYS[4], job[4] or '', limit)
redis.call('ZREM', KEYS[4], id .. ':' .. (job[2] or ''))
for i = 5, 7 do redis.call('ZREM', KEYS[i], id) end
redis.call('LREM', KEYS[3], 1, id)
if status == 'queued' and redis.call('LLEN', KEYS[2]) <= tonumber(ARGV[4]) then
  redis.call('LREM', KEYS[2], 0, id)
end
redis.call('HSET', key, 'status', 'canceled', 'ended_at', ARGV[2])
redis.call('HDEL', key, 'execution_id') -- otherwise the end of its run would look like a repeated call
if ARGV[3] ~= '-1' then redis.call('EXPIRE', key, ARGV[3]) end
redis.call('ZADD', KEYS[8], redis.call('TIME')[1], id)
leave_rate_limit(id, limit, ARGV[2])
redis.pcall('PUBLISH', KEYS[9], 'canceled') -- may be denied by the ACL; waiters also poll
return status
