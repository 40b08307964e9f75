-- reset_job: makes a job as new.

-- Clears what earlier runs have left in the record. `attempts`, the history of failures, stays for people to read.
local function clear_run_fields(key)
  redis.call('HDEL', key, 'started_at', 'ended_at', 'last_heartbeat', 'worker_name', 'execution_id', 'deliveries',
    'exc_info', 'retry_error', 'result', 'log', 'number_of_retries', 'retries_made', 'adopted')
end

-- Restores all retries of the job's own policy. A policy that the job has from its worker (the worker's default; the
-- field `adopted` says so) is removed instead.
local function reset_job(key)
  local job = redis.call('HMGET', key, 'retries_left', RETRIES_FIELD, 'adopted')
  if job[3] then
    redis.call('HDEL', key, 'retries_left', 'retry_intervals', 'enqueue_at_front_on_retry')
  elseif string.find(job[1] or '', '^%d+$') and string.find(job[2] or '', '^%d+$') then
    redis.call('HSET', key, 'retries_left', string.format('%d', job[1] + job[2]))
  end
  clear_run_fields(key)
end
