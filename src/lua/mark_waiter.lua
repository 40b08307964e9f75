-- mark_waiter: marks a job as waited for, so that its end is published.
--
-- KEYS[1] job
--
-- Returns the job's status, or false when there is no such job.

local status = redis.call('HGET', KEYS[1], 'status')
if status then redis.pcall('HSET', KEYS[1], 'waited', 1) end -- refused when Redis is out of memory: the waiter polls
return status
