-- maintain_rate_limit: frees slots of a rate limit whose jobs do not use them, admits waiting jobs, and deletes a
-- limit that no job needs, as RQ's maintenance does.
--
-- Returns nothing.

local slots, waiting = limit_slots_key(name), limit_waiting_key(name)
for _, id in ipairs(redis.call('ZRANGE', slots, 0, max_slots - 1)) do
  local status = redis.pcall('HGET', JOB_PREFIX .. id, 'status')
  if status ~= 'queued' and status ~= 'started' and not is_running(id) then redis.call('ZREM', slots, id) end
end
admit_waiting(name, enqueued_at)
if redis.call('ZCARD', slots) == 0 and redis.call('ZCARD', waiting) == 0 then
  redis.call('SREM', LIMIT_NAMES, name)
  redis.call('DEL', slots, waiting, limit_key(name))
end
