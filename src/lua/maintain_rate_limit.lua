-- maintain_rate_limit: frees slots of a rate limit whose jobs do not use them, admits waiting jobs, and deletes a
-- limit that no job needs, as RQ's maintenance does.
--
-- KEYS none of its own: see rq_compat
-- ARGV[1] patterns of rq_compat  ARGV[2] name  ARGV[3] enqueued_at of jobs that get a slot
-- ARGV[4] number of slots to check at most
--
-- Returns nothing.

rq_init(ARGV[1])
local limit = ARGV[2]
local slots, waiting = rq_key(SLOTS, limit), rq_key(WAITING, limit)
for _, id in ipairs(redis.call('ZRANGE', slots, 0, ARGV[4] - 1)) do
  local status = redis.pcall('HGET', rq_key(JOB, id), 'status')
  if status ~= 'queued' and status ~= 'started' and not is_running(id) then redis.call('ZREM', slots, id) end
end
admit_waiting(limit, ARGV[3])
if redis.call('ZCARD', slots) == 0 and redis.call('ZCARD', waiting) == 0 then
  redis.call('SREM', rq_key(LIMITS, ''), limit)
  redis.call('DEL', slots, waiting, rq_key(LIMIT, limit))
end
