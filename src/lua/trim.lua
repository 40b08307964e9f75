-- trim: keeps a registry below its maximum size: deletes the jobs that would expire first.
--
-- KEYS[1] registry (score = time to drop the entry; entries that are kept for ever, negative or +inf, stay)
-- ARGV[1] number of entries with a time that are kept  ARGV[2] number of jobs to delete at most
-- ARGV[3] job key prefix  ARGV[4] patterns of rq_compat  ARGV[5] statuses of the jobs of this registry
--
-- Returns how many entries were dropped.

local excess = redis.call('ZCOUNT', KEYS[1], 0, '(+inf') - ARGV[1]
if excess <= 0 then return 0 end
local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], 0, '(+inf', 'LIMIT', 0, math.min(excess, ARGV[2]))
if #oldest > 0 then redis.call('ZREM', KEYS[1], unpack(oldest)) end
rq_init(ARGV[4])
for _, id in ipairs(oldest) do
  local job = redis.pcall('HMGET', ARGV[3] .. id, 'status', 'group_id')
  -- A job of any other status was enqueued anew since, and only its entry was left behind.
  if job[1] and string.find(' ' .. ARGV[5] .. ' ', ' ' .. job[1] .. ' ', 1, true) then
    redis.call('DEL', ARGV[3] .. id)
    delete_related_keys(id, job[2])
  end
end
return #oldest
