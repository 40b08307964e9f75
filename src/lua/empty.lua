-- empty: pops ids from a queue and deletes the records of the jobs that were waiting there.
--
-- Returns { ids popped, records deleted }.

local popped, deleted = 0, 0
for _ = 1, max_ids do
  local id = redis.call(POP, LIST)
  if not id then break end
  popped = popped + 1
  local job = redis.pcall('HMGET', JOB_PREFIX .. id, 'status', 'group_id', 'rate_limit_key')
  if job[1] == 'queued' then
    deleted = deleted + delete_job(id, job[2])
    leave_rate_limit(id, job[3], enqueued_at)
  end
end
return { popped, deleted }
