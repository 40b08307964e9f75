-- expired_leases: reads which leases have passed. Changes nothing; `finish` takes the jobs over.
--
-- KEYS[1] wip
-- ARGV[1] job key prefix  ARGV[2] how many at most  ARGV[3] how many to look at
-- ARGV[4] how many seconds after a lease of ours its score ends
--
-- Returns { member, { field, value … } } for each, the longest lost first; no fields when the
-- record is gone or is not a hash.

local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now + ARGV[4], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local lost = {}
for i = 1, #members, 2 do
  local member = members[i]
  local id, execution = string.match(member, '^(.*):(.*)$')
  local fields = redis.pcall('HGETALL', ARGV[1] .. (id or member))
  if fields.err then fields = {} end
  -- The lease of another program's run ends with its score; only of ours it is known to be earlier.
  local has_passed = tonumber(members[i + 1]) <= now
  for f = 1, #fields, 2 do
    if fields[f] == 'execution_id' and fields[f + 1] == execution then has_passed = true end
  end
  if has_passed then lost[#lost + 1] = { member, fields } end
  if #lost >= tonumber(ARGV[2]) then break end
end
return lost
