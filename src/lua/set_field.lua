-- set_field: writes a field of a job, if the job exists and, where an execution is given, still runs in it.
--
-- Returns 1, or 0 when there is no such job or another execution owns it.

local job = redis.call('HMGET', JOB, 'status', 'execution_id', 'data')
if not job[1] and not job[3] then return 0 end
if execution ~= '' and (job[1] ~= 'started' or job[2] ~= execution) then return 0 end
redis.call('HSET', JOB, field, value)
return 1
