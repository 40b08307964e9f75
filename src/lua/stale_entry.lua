-- stale_entry: whether an entry of a registry was left behind. Stands before the scripts that move jobs out of one.
--
-- KEYS none of its own  ARGV none of its own
--
-- Returns nothing.

local PLACES = { queued = true, started = true, finished = true, failed = true, stopped = true, canceled = true,
  scheduled = true, deferred = true, rate_limited = true, ready_to_enqueue = true }

-- `own`: the statuses of the registry, with spaces between. A record without a status that is known has no other place.
local function is_elsewhere(status, own)
  return PLACES[status] and not string.find(' ' .. own .. ' ', ' ' .. status .. ' ', 1, true)
end
