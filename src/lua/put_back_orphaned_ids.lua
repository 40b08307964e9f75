-- put_back_orphaned_ids: puts ids that were popped but never claimed back at the front of their queue. An id whose job
-- has ended meanwhile is only removed.
--
-- Arguments that follow: the ids.
--
-- Returns how many were put back. An id that was claimed meanwhile is no longer in the list, or has an execution.

require_type('LLEN', LIST)
local put_back = 0
for i = FIRST_ARG, #ARGV do
  local id = ARGV[i]
  local has_execution = RQ and redis.call('EXISTS', executions_key(id)) == 1
  if not has_execution and redis.call('LREM', INTERMEDIATE, 1, id) == 1 then
    local status = redis.pcall('HGET', JOB_PREFIX .. id, 'status')
    if type(status) ~= 'string' or not HAS_ENDED[status] then
      redis.call(PUSH_FRONT, LIST, id)
      put_back = put_back + 1
    end
  end
end
return put_back
