-- take_out: takes a job out of wherever it waits or runs.

-- Reads what a record says about the job's place. `call` is redis.call, or redis.pcall to go on with a record that
-- cannot be read: then the job is searched as if it waited in its queue.
local function read_place(call, key)
  local job = call('HMGET', key, 'status', 'execution_id', 'worker_name', 'rate_limit_key', 'group_id', 'data')
  if job.err then job = { 'queued' } end
  local limit = job[4] and job[4] ~= '' and job[4]
  return { status = job[1], execution = job[2] or '', worker = job[3] or '', limit = limit, group = job[5], data = job[6] }
end

-- Takes the job out of the queue's lists and of the registries that are the last arguments. A job that runs loses its
-- lease, so that the end of its execution is fenced. In a list longer than `max_searched` the id stays, and the claim
-- drops it. Afterwards the job still has its slot of a rate limit: see `leave_rate_limit`.
local function take_out(id, place, max_searched, list, intermediate, wip, ...)
  require_type('LLEN', list, intermediate)
  require_type('ZCARD', wip, ...)
  for i = 1, select('#', ...) do redis.call('ZREM', (select(i, ...)), id) end
  end_executions(id, wip, place.worker, place.limit)
  redis.call('ZREM', wip, id .. ':' .. place.execution)
  redis.call('LREM', intermediate, 1, id)
  if place.status == 'queued' and redis.call('LLEN', list) <= max_searched then redis.call('LREM', list, 0, id) end
end

-- Tells those who wait for the job's end. An ACL may deny it; waiters also poll.
local function publish_end(id, status)
  redis.pcall('PUBLISH', ENDED_PREFIX .. id, status)
end
