-- finish_and_claim: one turn of a worker's loop, a finish and then a claim, in one call. Stands behind both of them.
--
-- KEYS those of finish (five), then those of claim
-- ARGV[1] number of finish's arguments, then finish's arguments, then claim's
--
-- Returns { what finish returns, what claim returns }

-- Not by unpack, which takes 8,000 at most.
local function part(list, first, last)
  local part = {}
  for i = first, last do part[i - first + 1] = list[i] end
  return part
end

local n = tonumber(ARGV[1])
local ended = finish(part(KEYS, 1, 5), part(ARGV, 2, n + 1))
return { ended, claim(part(KEYS, 6, #KEYS), part(ARGV, n + 2, #ARGV)) }
