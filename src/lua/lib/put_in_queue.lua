-- put_in_queue: a job that waits elsewhere gets into its queue.

local function put_in_queue(id, list, enqueued_at, at_front)
  redis.call('HSET', JOB_PREFIX .. id, 'status', 'queued', 'enqueued_at', enqueued_at)
  redis.call(at_front and PUSH_FRONT or PUSH, list, id)
end
