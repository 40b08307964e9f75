-- turn: one turn of a worker's loop, a finish and then a claim, in one call. Stands behind both of them.
--
-- KEYS those of finish (five), then those of claim
-- ARGV[1] number of finish's arguments, then finish's arguments, then claim's
--
-- Returns { what finish returns, what claim returns }

local n = tonumber(ARGV[1])
local ended = finish({ unpack(KEYS, 1, 5) }, { unpack(ARGV, 2, n + 1) })
return { ended, claim({ unpack(KEYS, 6) }, { unpack(ARGV, n + 2) }) }
