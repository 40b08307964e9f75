-- hash_preview: reads a hash; of a value that is too large only its beginning.
--
-- KEYS[1] hash  KEYS[2] stream of the job's results, where there is one
-- ARGV[1] bytes of one value at most  ARGV[2] bytes of all values together at most  ARGV[3] bytes of a beginning
-- ARGV[4] number of fields at most, then the names of the fields that are read from a hash with more
--
-- Returns false when there is no such hash; else { fields and values, fields and values of the newest entry of the
-- stream }. A value that is too large is { size, beginning }.

local size = redis.call('HLEN', KEYS[1])
if size == 0 then return false end
local max_size, left = tonumber(ARGV[1]), tonumber(ARGV[2])

local function shorten(value)
  if #value > max_size or #value > left then return { #value, string.sub(value, 1, ARGV[3]) } end
  left = left - #value
  return value
end

local names, fields = {}, {}
if size <= tonumber(ARGV[4]) then
  names = redis.call('HKEYS', KEYS[1])
else
  for i = 5, #ARGV do names[i - 4] = ARGV[i] end
end
for _, name in ipairs(names) do
  local value = #name <= 200 and redis.call('HGET', KEYS[1], name)
  if value then
    fields[#fields + 1] = name
    fields[#fields + 1] = shorten(value)
  end
end
local newest = {}
if KEYS[2] then
  local entry = redis.pcall('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  for i, text in ipairs(entry and entry[2] or {}) do newest[i] = shorten(text) end
end
return { fields, newest }
