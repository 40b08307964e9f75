-- rate_limited_jobs: reads which jobs wait for rate limits, or how many in each queue. Changes nothing. RQ keeps
-- these jobs by rate limit and not by queue, so the queue is read from each job's record.
--
-- KEYS none of its own: see rq_compat
-- ARGV[1] patterns of rq_compat  ARGV[2] queue, or '' to count the jobs of all queues
-- ARGV[3] number of jobs to read for each limit at most, the oldest first  ARGV[4] number of jobs to read in all
--
-- Returns { queue, number of jobs … }, where the number for a limit with more jobs than were read is extrapolated; or,
-- for one queue, { id, since when it waits … }.

rq_init(ARGV[1])
local left = tonumber(ARGV[4])
local counts, found = {}, {}
for _, limit in ipairs(redis.call('SRANDMEMBER', rq_key(LIMITS, ''), left)) do
  local total = redis.pcall('ZCARD', rq_key(WAITING, limit))
  local read = {}
  if type(total) == 'number' and total > 0 and left > 0 then
    read = redis.call('ZRANGE', rq_key(WAITING, limit), 0, math.min(ARGV[3], left) - 1, 'WITHSCORES')
  end
  left = left - #read / 2
  local by_queue = {}
  for i = 1, #read, 2 do
    local queue = redis.pcall('HGET', rq_key(JOB, read[i]), 'origin')
    if type(queue) == 'string' then
      by_queue[queue] = (by_queue[queue] or 0) + 1
      if queue == ARGV[2] then found[#found + 1], found[#found + 2] = read[i], read[i + 1] end
    end
  end
  for queue, n in pairs(by_queue) do counts[queue] = (counts[queue] or 0) + n * total * 2 / #read end
end
if ARGV[2] ~= '' then return found end
local reply = {}
for queue, n in pairs(counts) do reply[#reply + 1], reply[#reply + 2] = queue, math.floor(n + 0.5) end
return reply
