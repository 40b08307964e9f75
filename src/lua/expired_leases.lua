-- expired_leases: reads leases that have expired, with the records of their jobs. Changes nothing; recovery ends the
-- executions by `finish`.
--
-- KEYS[1] wip
-- ARGV[1] job key prefix  ARGV[2] number of leases to return at most  ARGV[3] number of leases to read at most
-- ARGV[4] score margin of expired leases: seconds by which the score of an expired lease of rq-rs' may still be ahead
-- of now (the score offset, less a second where scores are whole seconds)
--
-- Returns { '<id>:<execution>', { field, value … } } for each lease, in the order of their ends; no fields when the
-- record is gone or is not a hash.

local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now + ARGV[4], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local expired = {}
for i = 1, #members, 2 do
  local member = members[i]
  local id, execution = string.match(member, '^(.*):(.*)$')
  local fields = redis.pcall('HGETALL', ARGV[1] .. (id or member))
  if fields.err then fields = {} end
  -- A lease of RQ's ends at its score, a lease of rq-rs' ARGV[4] seconds earlier. Only rq-rs writes the execution into
  -- the record.
  local has_expired = tonumber(members[i + 1]) <= now
  for f = 1, #fields, 2 do
    if fields[f] == 'execution_id' and fields[f + 1] == execution then has_expired = true end
  end
  if has_expired then expired[#expired + 1] = { member, fields } end
  if #expired >= tonumber(ARGV[2]) then break end
end
return expired
