-- expire: forgets entries of a registry whose time has passed. Their records expire by themselves.
--
-- KEYS[1] registry (score = when to forget; negative and +inf stay)
-- ARGV[1] how many at most  ARGV[2] seconds that their time must have passed
--
-- Returns how many it forgot.

local old = redis.call('ZRANGEBYSCORE', KEYS[1], 0, redis.call('TIME')[1] - ARGV[2], 'LIMIT', 0, ARGV[1])
if #old > 0 then redis.call('ZREM', KEYS[1], unpack(old)) end
return #old
