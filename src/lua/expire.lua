-- expire: drops entries of a registry whose time has passed. The records expire by themselves.
--
-- KEYS[1] registry (score = time to drop the entry; negative and +inf stay)
-- ARGV[1] number of entries at most  ARGV[2] seconds that must have passed since that time
-- ARGV[3] job key prefix  ARGV[4] patterns of rq_compat
--
-- Returns how many entries were dropped.

local expired = redis.call('ZRANGEBYSCORE', KEYS[1], 0, redis.call('TIME')[1] - ARGV[2], 'LIMIT', 0, ARGV[1])
if #expired > 0 then redis.call('ZREM', KEYS[1], unpack(expired)) end
rq_init(ARGV[4])
-- RQ gives the results of failed jobs no time to live.
for _, id in ipairs(rq and expired or {}) do
  if redis.call('EXISTS', ARGV[3] .. id) == 0 then redis.pcall('DEL', rq_key(RESULTS, id)) end
end
return #expired
