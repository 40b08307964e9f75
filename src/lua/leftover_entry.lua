-- leftover_entry: recognizes entries that RQ leaves behind in a registry when a job has moved on. It is put in front of
-- the scripts that move jobs out of a registry.
--
-- KEYS none of its own  ARGV none of its own
--
-- Returns nothing.

local STATUSES = { queued = true, started = true, finished = true, failed = true, stopped = true, canceled = true,
  scheduled = true, deferred = true, rate_limited = true, ready_to_enqueue = true }

-- Returns true if a job of this status belongs elsewhere. `own` are the statuses of the registry's jobs, separated by
-- spaces. A job without a known status belongs to the registry.
local function is_leftover_entry(status, own)
  return STATUSES[status] and not string.find(' ' .. own .. ' ', ' ' .. status .. ' ', 1, true)
end
