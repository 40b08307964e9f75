-- put_back_orphaned_ids: puts ids that were popped but never claimed back at the front of their queue. An id whose job
-- has ended meanwhile is only removed.
--
-- KEYS[1] intermediate list  KEYS[2] list
-- ARGV[1] push command for the front  ARGV[2] patterns of rq_compat  ARGV[3] job key prefix
-- then the ids
--
-- Returns how many were put back. An id that was claimed meanwhile is no longer in the list, or has an execution.

redis.call('LLEN', KEYS[2]) -- a key of a wrong type ends the script here, before anything is written
rq_init(ARGV[2])
local put_back = 0
local ended = { finished = true, failed = true, stopped = true, canceled = true }
for i = 4, #ARGV do
  local has_execution = rq and redis.call('EXISTS', rq_key(EXECUTIONS, ARGV[i])) == 1
  if not has_execution and redis.call('LREM', KEYS[1], 1, ARGV[i]) == 1 then
    local status = redis.pcall('HGET', ARGV[3] .. ARGV[i], 'status')
    if type(status) ~= 'string' or not ended[status] then
      redis.call(ARGV[1], KEYS[2], ARGV[i])
      put_back = put_back + 1
    end
  end
end
return put_back
