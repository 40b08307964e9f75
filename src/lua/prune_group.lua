-- prune_group: removes deleted jobs from a group, and a group without jobs from the set of groups. `count` is about how
-- many jobs it checks.
--
-- Returns the next cursor, 0 when all jobs were checked.

local page = redis.call('SSCAN', GROUP, cursor, 'COUNT', count)
local deleted = {}
for _, id in ipairs(page[2]) do
  if redis.call('EXISTS', JOB_PREFIX .. id) == 0 then deleted[#deleted + 1] = id end
end
if #deleted > 0 then redis.call('SREM', GROUP, unpack(deleted)) end
if redis.call('EXISTS', GROUP) == 0 then redis.call('SREM', GROUPS, name) end
return page[1]
