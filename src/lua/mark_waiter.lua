-- mark_waiter: notes that somebody waits for a job's end, so that its end is published.
--
-- KEYS[1] job
--
-- Returns the job's status, or false when there is no such job.

local status = redis.call('HGET', KEYS[1], 'status')
if status then redis.pcall('HSET', KEYS[1], 'waited', 1) end -- a full Redis refuses: then the waiter asks again
return status
