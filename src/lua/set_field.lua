-- set_field: writes a field of a job, if the job exists and, where an execution is given, still runs in it.
--
-- KEYS[1] job
-- ARGV[1] field  ARGV[2] value  ARGV[3] execution that must own the job, or ''
--
-- Returns 1, or 0 when there is no such job or another execution owns it.

local job = redis.call('HMGET', KEYS[1], 'status', 'execution_id', 'data')
if not job[1] and not job[3] then return 0 end
if ARGV[3] ~= '' and (job[1] ~= 'started' or job[2] ~= ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
