-- cancel: takes a job that has not ended out of its queue or registry. A job that runs loses its lease, so that
-- the end of its execution is fenced.
--
-- Returns the status the job had, or false when there is no such job.

local place = read_place(redis.call, JOB)
if not place.status and not place.data then return false end
local status = place.status or 'created'
-- This very call was made before, and its reply was lost.
if status == 'canceled' and redis.call('HGET', JOB, 'ended_at') == ended_at then return 'queued' end
if HAS_ENDED[status] then return status end
require_type('ZCARD', CANCELED)
take_out(id, place, max_searched, LIST, INTERMEDIATE, WIP, SCHEDULED, DEFERRED, READY)
redis.call('HSET', JOB, 'status', 'canceled', 'ended_at', ended_at)
redis.call('HDEL', JOB, 'execution_id') -- otherwise the end of its run would look like a repeated call
if ttl ~= '-1' then redis.call('EXPIRE', JOB, ttl) end
redis.call('ZADD', CANCELED, redis.call('TIME')[1], id)
leave_rate_limit(id, place.limit, ended_at)
publish_end(id, 'canceled')
return status
