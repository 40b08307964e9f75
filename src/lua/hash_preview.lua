-- hash_preview: reads a hash, and of values that are too large to be shown the beginning.
--
-- KEYS[1] hash  KEYS[2] the stream of its results, where there is one
-- ARGV[1] bytes of one value at most  ARGV[2] of all together  ARGV[3] bytes of a beginning
-- ARGV[4] the most fields; of a hash that has more, those are read that come then
--
-- Returns false without such a hash, else { its fields and values, those of the newest entry of the stream }; a
-- value that is too large is { size, beginning }.

local size = redis.call('HLEN', KEYS[1])
if size == 0 then return false end
local most, left = tonumber(ARGV[1]), tonumber(ARGV[2])

local function fit(value)
  if #value > most or #value > left then return { #value, string.sub(value, 1, ARGV[3]) } end
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
    fields[#fields + 1] = fit(value)
  end
end
local newest = {}
if KEYS[2] then
  local entry = redis.pcall('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  for i, text in ipairs(entry and entry[2] or {}) do newest[i] = fit(text) end
end
return { fields, newest }
