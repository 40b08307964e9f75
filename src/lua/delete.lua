-- delete: removes a job from its queue or registry, and its record.
--
-- Returns 1, or 0 when there was no such job.

local place = read_place(redis.pcall, JOB)
take_out(id, place, max_searched, LIST, INTERMEDIATE, WIP, unpack(KEYS, FIRST_KEY))
local deleted = delete_job(id, place.group)
leave_rate_limit(id, place.limit, enqueued_at)
publish_end(id, 'deleted')
return deleted
