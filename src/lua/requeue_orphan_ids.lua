-- requeue_orphan_ids: ids that were taken from a queue and never started go back to its head; those of jobs
-- that have ended meanwhile only leave the list.
--
-- KEYS[1] intermediate list  KEYS[2] list
-- ARGV[1] push command for the front  ARGV[2] patterns of the books  ARGV[3] job key prefix
-- then the ids
--
-- Returns how many went back; one that was started meanwhile is not in the list any more, or has a run.

redis.call('LLEN', KEYS[2]) -- a key of a wrong type ends the script here
open_books(ARGV[2])
local back = 0
local ended = { finished = true, failed = true, stopped = true, canceled = true }
for i = 4, #ARGV do
  local is_run = books and redis.call('EXISTS', book(EXECUTIONS, ARGV[i])) == 1
  if not is_run and redis.call('LREM', KEYS[1], 1, ARGV[i]) == 1 then
    local status = redis.pcall('HGET', ARGV[3] .. ARGV[i], 'status')
    if type(status) ~= 'string' or not ended[status] then
      redis.call(ARGV[1], KEYS[2], ARGV[i])
      back = back + 1
    end
  end
end
return back
