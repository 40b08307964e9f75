-- expired_leases: reads leases that have expired, with the records of their jobs. Changes nothing; recovery ends the
-- executions by `finish`.
--
-- Returns { '<id>:<execution>', { field, value … } } for each lease, in the order of their ends; no fields when the
-- record is gone or is not a hash.

local now = seconds_of(redis.call('TIME'))
local members = redis.call('ZRANGEBYSCORE', WIP, '-inf', now + SCORE_MARGIN, 'WITHSCORES', 'LIMIT', 0, max_read)
local expired = {}
for i = 1, #members, 2 do
  local member = members[i]
  local id, execution = string.match(member, '^(.*):(.*)$')
  local fields = redis.pcall('HGETALL', JOB_PREFIX .. (id or member))
  if fields.err then fields = {} end
  -- A lease of RQ's ends at its score, a lease of rq-rs' SCORE_MARGIN earlier. Only rq-rs writes the execution into the
  -- record.
  local has_expired = tonumber(members[i + 1]) <= now
  for f = 1, #fields, 2 do
    if fields[f] == 'execution_id' and fields[f + 1] == execution then has_expired = true end
  end
  if has_expired then expired[#expired + 1] = { member, fields } end
  if #expired >= max_expired then break end
end
return expired
