-- maintain_rate_limit: looks after a rate limit, as RQ's maintenance does: slots of jobs that do not need them are free again, who
-- waits for one is let in, and a limit that nobody needs is none.
--
-- KEYS none of its own: see books
-- ARGV[1] patterns of the books  ARGV[2] name  ARGV[3] enqueued_at of jobs that get a slot
-- ARGV[4] how many slots to look at
--
-- Returns nothing.

open_books(ARGV[1])
local limit = ARGV[2]
local slots, waiting = book(SLOTS, limit), book(WAITING, limit)
for _, id in ipairs(redis.call('ZRANGE', slots, 0, ARGV[4] - 1)) do
  local status = redis.pcall('HGET', book(JOB, id), 'status')
  if status ~= 'queued' and status ~= 'started' and not is_run(id) then redis.call('ZREM', slots, id) end
end
let_in(limit, ARGV[3])
if redis.call('ZCARD', slots) == 0 and redis.call('ZCARD', waiting) == 0 then
  redis.call('SREM', book(LIMITS, ''), limit)
  redis.call('DEL', slots, waiting, book(LIMIT, limit))
end
