-- expire: forgets entries of a registry whose time has passed. Their records expire by themselves.
--
-- KEYS[1] registry (score = when to forget; negative and +inf stay)
-- ARGV[1] how many at most  ARGV[2] seconds that their time must have passed
-- ARGV[3] job key prefix  ARGV[4] patterns of the books: RQ lets the results of failed jobs live for ever
--
-- Returns how many it forgot.

local old = redis.call('ZRANGEBYSCORE', KEYS[1], 0, redis.call('TIME')[1] - ARGV[2], 'LIMIT', 0, ARGV[1])
if #old > 0 then redis.call('ZREM', KEYS[1], unpack(old)) end
open_books(ARGV[4])
for _, id in ipairs(books and old or {}) do
  if redis.call('EXISTS', ARGV[3] .. id) == 0 then redis.pcall('DEL', book(RESULTS, id)) end
end
return #old
