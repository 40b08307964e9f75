-- rq/dependents: jobs that wait for other jobs. Only the dialect rq has them.

local MAX_DEPENDENTS = 10000

-- Returns true if a dependency of this status lets its dependent run. A deleted one does, as in RQ.
local function is_dependency_met(status, allows_failure)
  return not status or status == 'finished' or (status == 'failed' and allows_failure)
end

-- Returns true if all dependencies but the job `ended` let the dependent run.
local function are_others_met(dependent, ended, allows_failure)
  local others = redis.pcall('SMEMBERS', dependencies_key(dependent))
  for _, other in ipairs(others.err and {} or others) do
    if other ~= ended then
      local status = redis.pcall('HGET', JOB_PREFIX .. other, 'status')
      if not is_dependency_met(type(status) == 'string' and status, allows_failure) then return false end
    end
  end
  return true
end

-- Puts a dependent into its queue, if it still waits and the key of its queue is a list. `job` are these fields of its
-- record: status, origin, allow_dependency_failures, enqueue_at_front, rate_limit_key, rate_limit_concurrency.
local function enqueue_dependent(id, job, enqueued_at)
  if job[1] ~= 'deferred' or not job[2] then return end
  local list = list_key(job[2])
  if type(redis.pcall('LLEN', list)) ~= 'number' then return end
  redis.pcall('ZREM', deferred_key(job[2]), id)
  if has_rate_limit(job[5], job[6]) then return queue_for_limit(id, job[5], job[6], enqueued_at) end
  put_in_queue(id, list, enqueued_at, job[4] == '1')
end

-- Enqueues the dependents of a job that has just ended with this status, as far as their other dependencies are met.
-- Returns true if there may be more dependents than one call reads.
local function release_dependents(id, status, enqueued_at)
  local key = dependents_key(id)
  local dependents = redis.pcall('SRANDMEMBER', key, MAX_DEPENDENTS)
  for _, dependent in ipairs(dependents.err and {} or dependents) do
    local job = redis.pcall('HMGET', JOB_PREFIX .. dependent, 'status', 'origin', 'allow_dependency_failures',
      'enqueue_at_front', 'rate_limit_key', 'rate_limit_concurrency')
    local allows_failure = job[3] == '1'
    if not job.err and is_dependency_met(status, allows_failure) and are_others_met(dependent, id, allows_failure) then
      enqueue_dependent(dependent, job, enqueued_at)
      redis.call('SREM', key, dependent)
    end
  end
  return #dependents >= MAX_DEPENDENTS
end
