-- record_stats: adds what a worker has done to the series of one queue and of its handlers. Each has a fixed space: a
-- ring of minutes, one of days, and what there was in all.
--
-- KEYS[1] set of handlers  KEYS[2] series of the queue  KEYS[3] series of all handlers beyond the most
-- KEYS[4 …] series of the handlers
-- ARGV[1] minutes in a ring  ARGV[2] days in a ring  ARGV[3] seconds that a series lives without news
-- ARGV[4] how many handlers have a series of their own  then the names of the handlers, in the order of their keys
-- then for each addition: number of its key, 'count', minute since 1970, finished, failed, retried
-- or: number of its key, 'time', microseconds, n, n numbers of runs that took so long (one for each bucket)
--
-- Returns nothing. Keys of a wrong type are passed over: nobody's work depends on these.

local handlers = #KEYS - 3
local key = { [2] = KEYS[2] }
for i = 1, handlers do
  local name = ARGV[4 + i]
  local is_known = redis.pcall('SISMEMBER', KEYS[1], name) == 1
  if not is_known and name ~= '' and (tonumber(redis.pcall('SCARD', KEYS[1])) or math.huge) < tonumber(ARGV[4]) then
    is_known = type(redis.pcall('SADD', KEYS[1], name)) == 'number'
  end
  key[i + 3] = is_known and KEYS[i + 3] or KEYS[3]
end

-- One field of a ring: 'stamp finished failed retried'.
local function add(series, field, stamp, more)
  local held = redis.pcall('HGET', series, field)
  local at, a, b, c = string.match(type(held) == 'string' and held or '', '^(%d+) (%d+) (%d+) (%d+)$')
  if tonumber(at) ~= stamp then
    if at and tonumber(at) > stamp then return end -- its place is taken by a later one
    a, b, c = 0, 0, 0
  end
  local value = string.format('%d %d %d %d', stamp, a + more[1], b + more[2], c + more[3])
  redis.pcall('HSET', series, field, value)
end

local touched = {}
local i = 5 + handlers
while ARGV[i] do
  local series = key[tonumber(ARGV[i])]
  touched[series] = true
  if ARGV[i + 1] == 'count' then
    local minute = tonumber(ARGV[i + 2])
    local more = { tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), tonumber(ARGV[i + 5]) }
    local day = math.floor(minute / 1440)
    add(series, 'm' .. minute % ARGV[1], minute, more)
    add(series, 'd' .. day % ARGV[2], day, more)
    for n, name in ipairs({ 'finished', 'failed', 'retried' }) do
      if more[n] > 0 then redis.pcall('HINCRBY', series, name, more[n]) end
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
