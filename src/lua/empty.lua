-- empty: pops ids from a queue and deletes the records of the jobs that were waiting there.
--
-- KEYS[1] list
-- ARGV[1] pop command  ARGV[2] job key prefix  ARGV[3] number of ids to pop at most
-- ARGV[4] patterns of rq_compat  ARGV[5] enqueued_at of jobs that get a slot
--
-- Returns { ids popped, records deleted }.

rq_init(ARGV[4])
local popped, deleted = 0, 0
for _ = 1, tonumber(ARGV[3]) do
  local id = redis.call(ARGV[1], KEYS[1])
  if not id then break end
  popped = popped + 1
  local key = ARGV[2] .. id
  local job = redis.pcall('HMGET', key, 'status', 'group_id', 'rate_limit_key')
  if job[1] == 'queued' then
    deleted = deleted + redis.call('DEL', key)
    delete_related_keys(id, job[2])
    leave_rate_limit(id, job[3], ARGV[5])
  end
end
return { popped, deleted }
