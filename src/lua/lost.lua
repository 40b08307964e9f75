-- lost: reads which leases have passed. Changes nothing; `finish` takes the jobs over.
--
-- KEYS[1] wip
-- ARGV[1] job key prefix  ARGV[2] how many at most
--
-- Returns { member, { field, value … } } for each, the longest lost first; no fields when the
-- record is gone or is not a hash.

local time = redis.call('TIME')
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', time[1] + time[2] / 1000000, 'LIMIT', 0, ARGV[2])
local lost = {}
for i, member in ipairs(members) do
  local fields = redis.pcall('HGETALL', ARGV[1] .. (string.match(member, '^(.*):') or member))
  lost[i] = { member, fields.err and {} or fields }
end
return lost
