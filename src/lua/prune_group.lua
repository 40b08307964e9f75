-- prune_group: takes jobs that are gone out of a group, and the group out of the list of all when it has none left.
--
-- KEYS[1] group  KEYS[2] names of groups
-- ARGV[1] name  ARGV[2] job key prefix  ARGV[3] where to go on, 0 at first  ARGV[4] about how many to look at
--
-- Returns where to go on, 0 when it has seen all.

local part = redis.call('SSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
local gone = {}
for _, id in ipairs(part[2]) do
  if redis.call('EXISTS', ARGV[2] .. id) == 0 then gone[#gone + 1] = id end
end
if #gone > 0 then redis.call('SREM', KEYS[1], unpack(gone)) end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end
return part[1]
