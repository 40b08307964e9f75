-- rq/executions: the executions of jobs, which RQ's tools read. Only the dialect rq has them.

-- RQ expects an execution's hash to exist as long as its entry in the sorted set. Both outlive the lease by a minute.
local function write_execution(id, execution, worker, time, lease, is_new)
  local seconds = math.floor(lease + SCORE_OFFSET) + 60
  local now = string.format('%d.%06d', time[1], time[2])
  local key, of_job, of_worker = execution_key(id .. ':' .. execution), executions_key(id), worker_executions_key(worker)
  redis.pcall('HSET', key, 'last_heartbeat', now)
  if is_new then
    redis.pcall('HSET', key, 'id', execution, 'job_id', id, 'created_at', now, 'worker_name', worker)
    redis.pcall('SADD', of_worker, id .. ':' .. execution)
  end
  redis.pcall('EXPIRE', key, seconds)
  redis.pcall('ZADD', of_job, time[1] + seconds, execution)
  redis.pcall('EXPIRE', of_job, seconds)
  redis.pcall('EXPIRE', of_worker, seconds)
end

local function delete_execution(id, execution, worker)
  redis.pcall('DEL', execution_key(id .. ':' .. execution))
  redis.pcall('ZREM', executions_key(id), execution)
  redis.pcall('SREM', worker_executions_key(worker), id .. ':' .. execution)
end

-- Returns true if an execution of the job is alive, whatever the job's record says. The score of an execution that
-- nobody renews passes. `except` is an execution that does not count.
local function is_running(id, except)
  local executions, now = executions_key(id), redis.call('TIME')[1]
  local alive = redis.pcall('ZCOUNT', executions, now, '+inf')
  if type(alive) ~= 'number' then return false end
  local score = except and redis.pcall('ZSCORE', executions, except)
  if score and tonumber(score) >= tonumber(now) then alive = alive - 1 end
  return alive > 0
end

-- The execution stores the name of the rate limit, because its slot must be freed even if its job is deleted.
local function set_execution_limit(id, execution, limit)
  redis.pcall('HSET', execution_key(id .. ':' .. execution), 'rate_limit_key', limit)
end

-- Ends the leases of all executions of a job, and the executions too unless the job has a rate limit: that counts
-- executions, and the slot is in use until the handler has stopped.
local function end_executions(id, wip, worker, limit)
  local executions = redis.pcall('ZRANGE', executions_key(id), 0, -1)
  for _, execution in ipairs(executions.err and {} or executions) do
    redis.pcall('ZREM', wip, id .. ':' .. execution)
    if not limit then delete_execution(id, execution, worker) end
  end
end
