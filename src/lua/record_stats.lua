-- record_stats: adds a worker's counts to the series of one queue and of its handlers. The size of a series is fixed:
-- a ring of minutes, a ring of days, and totals.
--
-- Keys that follow: the series of the handlers. The others share the key OTHERS.
-- Arguments that follow: the names of the handlers, in the order of their keys; then for each addition
--   number of its series (0 for the queue's, n for the n-th handler's), 'count', minute since 1970, finished, failed,
--   retried; or: number of its series, 'time', microseconds, n, for each of n buckets the number of runs that took so
--   long
--
-- Returns nothing. A key of a wrong type is ignored: no job depends on statistics.

local count = #KEYS + 1 - FIRST_KEY
local series_of = { [0] = QUEUE }
for i = 1, count do
  local name = ARGV[FIRST_ARG - 1 + i]
  local is_known = redis.pcall('SISMEMBER', HANDLERS, name) == 1
  if not is_known and name ~= '' and (tonumber(redis.pcall('SCARD', HANDLERS)) or math.huge) < max_handlers then
    is_known = type(redis.pcall('SADD', HANDLERS, name)) == 'number'
  end
  series_of[i] = is_known and KEYS[FIRST_KEY - 1 + i] or OTHERS
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
local i = FIRST_ARG + count
while ARGV[i] do
  local series = series_of[tonumber(ARGV[i])]
  touched[series] = true
  if ARGV[i + 1] == 'count' then
    local minute = tonumber(ARGV[i + 2])
    local counts = { tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]) }
    local day = math.floor(minute / 1440)
    add(series, 'm' .. minute % minutes, minute, counts)
    add(series, 'd' .. day % days, day, counts)
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
for series in pairs(touched) do redis.pcall('EXPIRE', series, ttl) end
redis.pcall('EXPIRE', HANDLERS, ttl)
