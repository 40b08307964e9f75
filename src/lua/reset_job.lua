-- reset_job: a job that begins anew. Stands before the scripts that put one back into its queue as new, so that all of
-- them forget the same of its earlier life.
--
-- KEYS none of its own  ARGV none of its own
--
-- Returns nothing.

-- What its runs have left. The failures in `attempts` stay for people to read, unless it is another job.
local function forget_runs(job)
  redis.call('HDEL', job, 'started_at', 'ended_at', 'last_heartbeat', 'worker_name', 'execution_id', 'deliveries',
    'exc_info', 'retry_error', 'result', 'log', 'number_of_retries', 'retries_made', 'adopted')
end

-- It has all retries of its policy again; a policy that was its worker's is its worker's again. `made`: the field
-- that counts retries.
local function begin_anew(job, made)
  local held = redis.call('HMGET', job, 'retries_left', made, 'adopted')
  if held[3] then
    redis.call('HDEL', job, 'retries_left', 'retry_intervals', 'enqueue_at_front_on_retry')
  elseif string.find(held[1] or '', '^%d+$') and string.find(held[2] or '', '^%d+$') then
    redis.call('HSET', job, 'retries_left', string.format('%d', held[1] + held[2]))
  end
  forget_runs(job)
end
