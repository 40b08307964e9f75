-- newest_entry: fields and values of the newest entry of a stream; none if there is no stream.

local function newest_entry(stream)
  local entry = stream and redis.pcall('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  return entry and entry[2] or {}
end
