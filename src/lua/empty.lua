-- empty: takes ids from a queue and deletes the records of those that were waiting.
--
-- KEYS[1] list
-- ARGV[1] pop command  ARGV[2] job key prefix  ARGV[3] how many at most
--
-- Returns { ids taken, records deleted }.

local taken, deleted = 0, 0
for _ = 1, tonumber(ARGV[3]) do
  local id = redis.call(ARGV[1], KEYS[1])
  if not id then break end
  taken = taken + 1
  local job = ARGV[2] .. id
  if redis.pcall('HGET', job, 'status') == 'queued' then
    deleted = deleted + redis.call('DEL', job)
  end
end
return { taken, deleted }
