-- enqueue: stores new jobs and pushes their ids to the queue, or schedules them. Each job is stored wholly or not at
-- all.
--
-- Arguments that follow, for each job: id, destination, seconds to live or '', n, n values (field, value …)
--   destination: 0 back of the queue, 1 its front; in scheduled: '+seconds' from now, '@seconds' since 1970
--   the first field is created_at, which tells a repeated call from another job with the same id
--
-- Returns for each job: 1 stored (also when this very call stored it before), 0 the id exists.

return store_jobs(LIST, QUEUES, SCHEDULED, has_times, FIRST_ARG)
