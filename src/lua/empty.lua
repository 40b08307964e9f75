-- empty: takes ids from a queue and deletes the records of those that were waiting.
--
-- KEYS[1] list
-- ARGV[1] pop command  ARGV[2] job key prefix  ARGV[3] how many at most
-- ARGV[4] patterns of the books  ARGV[5] enqueued_at of jobs that get a slot
--
-- Returns { ids taken, records deleted }.

open_books(ARGV[4])
local taken, deleted = 0, 0
for _ = 1, tonumber(ARGV[3]) do
  local id = redis.call(ARGV[1], KEYS[1])
  if not id then break end
  taken = taken + 1
  local job = ARGV[2] .. id
  local held = redis.pcall('HMGET', job, 'status', 'group_id', 'rate_limit_key')
  if held[1] == 'queued' then
    deleted = deleted + redis.call('DEL', job)
    delete_relatives(id, held[2])
    leave_limit(id, held[3], ARGV[5])
  end
end
return { taken, deleted }
