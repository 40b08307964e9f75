-- enqueue_or_wait: a job gets into its queue, or waits for its rate limit.

local function enqueue_or_wait(id, list, enqueued_at)
  local job = RQ and redis.pcall('HMGET', JOB_PREFIX .. id, 'rate_limit_key', 'rate_limit_concurrency') or {}
  if has_rate_limit(job[1], job[2]) then return queue_for_limit(id, job[1], job[2], enqueued_at) end
  put_in_queue(id, list, enqueued_at)
end
