-- trim: a registry that has more entries than it should forgets those that would expire first, and their records.
--
-- KEYS[1] registry (score = when to forget; what is kept for ever, negative or +inf, stays)
-- ARGV[1] how many it keeps of those that are not for ever  ARGV[2] how many to forget at most
-- ARGV[3] job key prefix  ARGV[4] patterns of the books  ARGV[5] statuses of the jobs of this registry
--
-- Returns how many it forgot.

local excess = redis.call('ZCOUNT', KEYS[1], 0, '(+inf') - ARGV[1]
if excess <= 0 then return 0 end
local old = redis.call('ZRANGEBYSCORE', KEYS[1], 0, '(+inf', 'LIMIT', 0, math.min(excess, ARGV[2]))
if #old > 0 then redis.call('ZREM', KEYS[1], unpack(old)) end
open_books(ARGV[4])
for _, id in ipairs(old) do
  local held = redis.pcall('HMGET', ARGV[3] .. id, 'status', 'group_id')
  -- Else it was enqueued anew, and may have ended otherwise.
  if held[1] and string.find(' ' .. ARGV[5] .. ' ', ' ' .. held[1] .. ' ', 1, true) then
    redis.call('DEL', ARGV[3] .. id)
    delete_relatives(id, held[2])
  end
end
return #old
