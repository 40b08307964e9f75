-- field_excerpts: reads some fields of a hash; of a large value only its beginning and its end.
--
-- A key that follows: the stream of the job's results, where there is one. Its newest entry adds its fields.
-- Arguments that follow, for each field: its name, bytes of its beginning, bytes of its end.
--
-- Returns false when there is no such hash; else for each field false, its value, or { size, beginning, end }.

local names = {}
for i = FIRST_ARG, #ARGV, 3 do names[#names + 1] = ARGV[i] end
local values = redis.call('HMGET', HASH, unpack(names))
if redis.call('EXISTS', HASH) == 0 then return false end
local newest = {}
local entry = newest_entry(KEYS[FIRST_KEY])
for i = 1, #entry, 2 do newest[entry[i]] = entry[i + 1] end
local excerpts = {}
for n, name in ipairs(names) do
  local value = values[n] or newest[name] or false
  local arg = FIRST_ARG + 3 * (n - 1)
  local head, tail = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  if value and #value > head + tail then
    value = { #value, string.sub(value, 1, head), tail > 0 and string.sub(value, -tail) or '' }
  end
  excerpts[n] = value
end
return excerpts
