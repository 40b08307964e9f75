-- finish_and_claim: a finish and then a claim in one call. Both scripts are put in front of it as functions.
--
-- KEYS those of finish (five), then those of claim
-- ARGV[1] number of finish's arguments, then finish's arguments, then claim's
--
-- Returns { reply of finish, reply of claim }

-- A copy of part of a list. Not by unpack, which takes 8,000 values at most.
local function slice(list, first, last)
  local part = {}
  for i = first, last do part[i - first + 1] = list[i] end
  return part
end

local n = tonumber(ARGV[1])
local acks = finish(slice(KEYS, 1, 5), slice(ARGV, 2, n + 1))
return { acks, claim(slice(KEYS, 6, #KEYS), slice(ARGV, n + 2, #ARGV)) }
