-- trim: keeps a registry below its maximum size: deletes the jobs that would expire first. Its scores are the times to
-- drop entries; those that are kept for ever, negative or +inf, do not count.
--
-- Returns how many entries were dropped.

local excess = redis.call('ZCOUNT', REGISTRY, 0, '(+inf') - max_size
if excess <= 0 then return 0 end
local oldest = redis.call('ZRANGEBYSCORE', REGISTRY, 0, '(+inf', 'LIMIT', 0, math.min(excess, max_deleted))
if #oldest > 0 then redis.call('ZREM', REGISTRY, unpack(oldest)) end
for _, id in ipairs(oldest) do
  local job = redis.pcall('HMGET', JOB_PREFIX .. id, 'status', 'group_id')
  -- A job of any other status was enqueued anew since, and only its entry was left behind.
  if job[1] and is_one_of(job[1], statuses) then delete_job(id, job[2]) end
end
return #oldest
