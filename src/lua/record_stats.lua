-- record_stats: adds a worker's counts to the series of one queue and of its handlers. The size of a series is fixed:
-- a ring of minutes, a ring of days, and totals.
--
-- KEYS[1] set of handlers  KEYS[2] series of the queue  KEYS[3] shared series of the handlers beyond ARGV[4]
-- KEYS[4 …] series of the handlers
-- ARGV[1] minutes in a ring  ARGV[2] days in a ring  ARGV[3] seconds that a series lives after its last change
-- ARGV[4] number of handlers with a series of their own  then the names of the handlers, in the order of their keys
-- then for each addition: number of its key, 'count', minute since 1970, finished, failed, retried
-- or: number of its key, 'time', microseconds, n, for each of n buckets the number of runs that took so long
--
-- Returns nothing. A key of a wrong type is ignored: no job depends on statistics.

local handlers = #KEYS - 3
local series_of = { [2] = KEYS[2] }
for i = 1, handlers do
  local name = ARGV[4 + i]
  local is_known = redis.pcall('SISMEMBER', KEYS[1], name) == 1
  if not is_known and name ~= '' and (tonumber(redis.pcall('SCARD', KEYS[1])) or math.huge) < tonumber(ARGV[4]) then
    is_known = type(redis.pcall('SADD', KEYS[1], name)) == 'number'
  end
  series_of[i + 3] = is_known and KEYS[i + 3] or KEYS[3]
end

-- Adds to one field of a ring: 'stamp finished failed retried'. A field with an older stamp starts from zero.
local function add(series, field, stamp, counts)
  local value = redis.pcall('HGET', series, field)
  local at, finished, failed, retried = string.match(type(value) == 'string' and value or '', '^(%d+) (%d+) (%d+) (%d+)$')
  if tonumber(at) ~= stamp then
    if at and tonumber(at) > stamp then return end -- a later minute or day uses the field now
    finished, failed, retried = 0, 0, 0
  end
  local sum = string.format('%d %d %d %d', stamp, finished + counts[1], failed + counts[2], retried + counts[3])
  redis.pcall('HSET', series, field, sum)
end

local touched = {}
local i = 5 + handlers
while ARGV[i] do
  local series = series_of[tonumber(ARGV[i])]
  touched[series] = true
  if ARGV[i + 1] == 'count' then
    local minute = tonumber(ARGV[i + 2])
    local counts = { tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]) }
    local day = math.floor(minute / 1440)
    add(series, 'm' .. minute % ARGV[1], minute, counts)
    add(series, 'd' .. day % ARGV[2], day, counts)
    for n, name in ipairs({ 'finished', 'failed', 'retried' }) do
      if counts[n] > 0 then redis.pcall('HINCRBY', series, name, counts[n]) end
    end
    i = i + 6
  else
    redis.pcall('HINCRBY', series, 'micros', ARGV[i + 2])
    local n = tonumber(ARGV[i + 3])
    for b = 1, n do
      if ARGV[i + 3 + b] ~= '0' then redis.pcall('HINCRBY', series, 'b' .. b, ARGV[i + 3 + b]) end
    end
    i = i + 4 + n
  end
end
for series in pairs(touched) do redis.pcall('EXPIRE', series, ARGV[3]) end
redis.pcall('EXPIRE', KEYS[1], ARGV[3])
