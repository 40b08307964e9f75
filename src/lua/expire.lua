-- expire: drops entries of a registry whose time has passed: its scores are the times to drop them; negative ones and
-- +inf stay. The records expire by themselves.
--
-- Returns how many entries were dropped.

local expired = redis.call('ZRANGEBYSCORE', REGISTRY, 0, redis.call('TIME')[1] - age, 'LIMIT', 0, max_entries)
if #expired > 0 then redis.call('ZREM', REGISTRY, unpack(expired)) end
-- RQ gives the results of failed jobs no time to live.
for _, id in ipairs(RQ and expired or {}) do
  if redis.call('EXISTS', JOB_PREFIX .. id) == 0 then redis.pcall('DEL', results_key(id)) end
end
return #expired
