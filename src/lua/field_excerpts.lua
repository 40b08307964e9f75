-- field_excerpts: reads the beginnings and the ends of some fields, however large they are.
--
-- KEYS[1] hash  KEYS[2] the stream of its results, where there is one: its newest entry has more fields
-- ARGV for each field its name, how many bytes of its beginning, and of its end
--
-- Returns false without such a hash, else for each field false, its value, or { size, beginning, end }.

local names = {}
for i = 1, #ARGV, 3 do names[#names + 1] = ARGV[i] end
local held = redis.call('HMGET', KEYS[1], unpack(names))
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local newest = {}
if KEYS[2] then
  local entry = redis.pcall('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  local fields = entry and entry[2] or {}
  for i = 1, #fields, 2 do newest[fields[i]] = fields[i + 1] end
end
local found = {}
for n, name in ipairs(names) do
  local value = held[n] or newest[name] or false
  local head, tail = tonumber(ARGV[3 * n - 1]), tonumber(ARGV[3 * n])
  if value and #value > head + tail then
    value = { #value, string.sub(value, 1, head), tail > 0 and string.sub(value, -tail) or '' }
  end
  found[n] = value
end
return found
