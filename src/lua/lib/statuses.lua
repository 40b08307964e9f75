-- statuses: what the status of a job says about where it belongs.

local HAS_ENDED = { finished = true, failed = true, stopped = true, canceled = true }

local IS_STATUS = { queued = true, started = true, finished = true, failed = true, stopped = true, canceled = true,
  scheduled = true, deferred = true, rate_limited = true, ready_to_enqueue = true }

-- `statuses` are separated by spaces.
local function is_one_of(status, statuses)
  return string.find(' ' .. statuses .. ' ', ' ' .. status .. ' ', 1, true) ~= nil
end

-- Returns true for an entry that RQ leaves behind in a registry when a job has moved on: its status is not one of the
-- registry's own. A job without a known status belongs to the registry.
local function is_leftover_entry(status, own)
  return IS_STATUS[status] and not is_one_of(status, own)
end
