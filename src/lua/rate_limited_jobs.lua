-- rate_limited_jobs: reads which jobs of a queue wait for rate limits or, without a queue, how many in each one.
-- Changes nothing. RQ keeps these jobs by rate limit and not by queue, so the queue is read from each job's record.
--
-- Returns { queue, number of jobs … }, where the number for a limit with more jobs than were read is extrapolated; or,
-- for one queue, { id, since when it waits … }.

local left = max_jobs
local counts, found = {}, {}

-- Counts the jobs that wait for one limit, the oldest first.
local function read_limit(limit, total)
  local read = redis.call('ZRANGE', limit_waiting_key(limit), 0, math.min(max_jobs_per_limit, left) - 1, 'WITHSCORES')
  left = left - #read / 2
  local by_queue = {}
  for i = 1, #read, 2 do
    local origin = redis.pcall('HGET', JOB_PREFIX .. read[i], 'origin')
    if type(origin) == 'string' then
      by_queue[origin] = (by_queue[origin] or 0) + 1
      if origin == queue then found[#found + 1], found[#found + 2] = read[i], read[i + 1] end
    end
  end
  for origin, n in pairs(by_queue) do counts[origin] = (counts[origin] or 0) + n * total * 2 / #read end
end

for _, limit in ipairs(redis.call('SRANDMEMBER', LIMIT_NAMES, left)) do
  local total = redis.pcall('ZCARD', limit_waiting_key(limit))
  if type(total) == 'number' and total > 0 and left > 0 then read_limit(limit, total) end
end
if queue ~= '' then return found end
local reply = {}
for origin, n in pairs(counts) do reply[#reply + 1], reply[#reply + 2] = origin, math.floor(n + 0.5) end
return reply
