-- prune_group: removes deleted jobs from a group, and a group without jobs from the set of groups.
--
-- KEYS[1] group  KEYS[2] names of groups
-- ARGV[1] name  ARGV[2] job key prefix  ARGV[3] SSCAN cursor, 0 at first  ARGV[4] number of jobs to check, about
--
-- Returns the next cursor, 0 when all jobs were checked.

local page = redis.call('SSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
local deleted = {}
for _, id in ipairs(page[2]) do
  if redis.call('EXISTS', ARGV[2] .. id) == 0 then deleted[#deleted + 1] = id end
end
if #deleted > 0 then redis.call('SREM', KEYS[1], unpack(deleted)) end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end
return page[1]
