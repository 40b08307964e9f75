-- delete: removes a job from its queue or registry, and its record.
--
-- KEYS[1] job  KEYS[2] list  KEYS[3] intermediate list  KEYS[4] wip
-- KEYS[5 …] the other registries  KEYS[#KEYS] channel on which the job's end is published
-- ARGV[1] id
-- ARGV[2] length of the longest list that is searched; in a longer one the id stays, and the claim drops it
-- ARGV[3] patterns of rq_compat  ARGV[4] enqueued_at of a job that gets its slot
--
-- Returns 1, or 0 when there was no such job.

local key, id = KEYS[1], ARGV[1]
local job = redis.pcall('HMGET', key, 'execution_id', 'status', 'worker_name', 'group_id', 'rate_limit_key')
if job.err then job = { '', 'queued' } end
-- A key of a wrong type ends the script here, before anything is written.
for i = 2, 3 do redis.call('LLEN', KEYS[i]) end
for i = 4, #KEYS - 1 do redis.call('ZCARD', KEYS[i]) end
for i = 5, #KEYS - 1 do redis.call('ZREM', KEYS[i], id) end
rq_init(ARGV[3])
local limit = job[5] and job[5] ~= '' and job[5]
end_executions(id, KEYS[4], job[3] or '', limit)
delete_related_keys(id, job[4])
redis.call('ZREM', KEYS[4], id .. ':' .. (job[1] or ''))
redis.call('LREM', KEYS[3], 1, id)
if job[2] == 'queued' and redis.call('LLEN', KEYS[2]) <= tonumber(ARGV[2]) then
  redis.call('LREM', KEYS[2], 0, id)
end
local deleted = redis.call('DEL', key)
leave_rate_limit(id, limit, ARGV[4])
redis.pcall('PUBLISH', KEYS[#KEYS], 'deleted') -- may be denied by the ACL; waiters also poll
return deleted
