-- hash_preview: reads a hash; of a value that is too large only its beginning.
--
-- A key that follows: the stream of the job's results, where there is one.
-- Arguments that follow: names of the fields that are read from a hash with more than `max_fields`.
--
-- Returns false when there is no such hash; else { fields and values, fields and values of the newest entry of the
-- stream }. A value that is too large is { size, beginning }.

local size = redis.call('HLEN', HASH)
if size == 0 then return false end
local left = max_total

local function shorten(value)
  if #value > max_value or #value > left then return { #value, string.sub(value, 1, head) } end
  left = left - #value
  return value
end

local names, fields = {}, {}
if size <= max_fields then
  names = redis.call('HKEYS', HASH)
else
  for i = FIRST_ARG, #ARGV do names[#names + 1] = ARGV[i] end
end
for _, name in ipairs(names) do
  local value = #name <= 200 and redis.call('HGET', HASH, name)
  if value then
    fields[#fields + 1] = name
    fields[#fields + 1] = shorten(value)
  end
end
local newest = {}
for i, text in ipairs(newest_entry(KEYS[FIRST_KEY])) do newest[i] = shorten(text) end
return { fields, newest }
