-- mark_waiter: marks a job as waited for, so that its end is published.
--
-- Returns the job's status, or false when there is no such job.

-- A Redis out of memory rejects the mark: the waiter polls too.
local status = redis.call('HGET', JOB, 'status')
if status then redis.pcall('HSET', JOB, 'waited', 1) end
return status
