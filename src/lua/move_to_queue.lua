-- move_to_queue: puts jobs of a registry into their queue: ended jobs as new ones, scheduled jobs before they are due.
--
-- Arguments that follow: the ids.
--
-- Returns for each id: 1 it is in the queue, 0 it was not in this registry, 2 its record is gone. A leftover
-- entry, of a job that has moved on, is dropped, and the job is not changed.

require_type('LLEN', LIST)
require_type('SCARD', QUEUES)
local made_new = {}

local function move(id)
  local key = JOB_PREFIX .. id
  local status = redis.pcall('HGET', key, 'status')
  if type(status) == 'table' then return 0 end -- the record's key has a wrong type; the entry is kept
  if redis.call('ZREM', REGISTRY, id) == 0 then
    -- 1 if this very call was made before, and its reply was lost; 0 for an ended job that this call names twice.
    return not made_new[id] and redis.pcall('HGET', key, 'enqueued_at') == enqueued_at and 1 or 0
  end
  if redis.pcall('HEXISTS', key, 'data') ~= 1 then return 2 end
  if is_leftover_entry(status, statuses) then return 0 end
  if as_new then
    redis.call('PERSIST', key)
    reset_job(key)
    made_new[id] = true
  end
  redis.call('SADD', QUEUES, LIST)
  enqueue_or_wait(id, LIST, enqueued_at)
  return 1
end

local replies = {}
for i = FIRST_ARG, #ARGV do replies[#replies + 1] = move(ARGV[i]) end
return replies
