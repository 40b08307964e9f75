-- field_excerpts: reads some fields of a hash; of a large value only its beginning and its end.
--
-- KEYS[1] hash  KEYS[2] stream of the job's results, where there is one: its newest entry adds its fields
-- ARGV for each field: its name, bytes of its beginning, bytes of its end
--
-- Returns false when there is no such hash; else for each field false, its value, or { size, beginning, end }.

local names = {}
for i = 1, #ARGV, 3 do names[#names + 1] = ARGV[i] end
local values = redis.call('HMGET', KEYS[1], unpack(names))
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local newest = {}
if KEYS[2] then
  local entry = redis.pcall('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  local fields = entry and entry[2] or {}
  for i = 1, #fields, 2 do newest[fields[i]] = fields[i + 1] end
end
local excerpts = {}
for n, name in ipairs(names) do
  local value = values[n] or newest[name] or false
  local head, tail = tonumber(ARGV[3 * n - 1]), tonumber(ARGV[3 * n])
  if value and #value > head + tail then
    value = { #value, string.sub(value, 1, head), tail > 0 and string.sub(value, -tail) or '' }
  end
  excerpts[n] = value
end
return excerpts
