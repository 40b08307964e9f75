-- rate_limited_jobs: reads which jobs wait for rate limits. Changes nothing. Their places are sorted by limits and not by
-- queues, so each job says what its queue is.
--
-- KEYS none of its own: see books
-- ARGV[1] patterns of the books  ARGV[2] queue, '' to count those of all queues
-- ARGV[3] how many jobs of each limit to look at, the eldest first  ARGV[4] how many in all
--
-- Returns { queue, how many … }: when a limit has more than were looked at, as many more in proportion; or, of one
-- queue, { id, since when it waits … }.

open_books(ARGV[1])
local left = tonumber(ARGV[4])
local counts, found = {}, {}
for _, limit in ipairs(redis.call('SRANDMEMBER', book(LIMITS, ''), left)) do
  local all = redis.pcall('ZCARD', book(WAITING, limit))
  local seen = {}
  if type(all) == 'number' and all > 0 and left > 0 then
    seen = redis.call('ZRANGE', book(WAITING, limit), 0, math.min(ARGV[3], left) - 1, 'WITHSCORES')
  end
  left = left - #seen / 2
  local here = {}
  for i = 1, #seen, 2 do
    local queue = redis.pcall('HGET', book(JOB, seen[i]), 'origin')
    if type(queue) == 'string' then
      here[queue] = (here[queue] or 0) + 1
      if queue == ARGV[2] then found[#found + 1], found[#found + 2] = seen[i], seen[i + 1] end
    end
  end
  for queue, n in pairs(here) do counts[queue] = (counts[queue] or 0) + n * all * 2 / #seen end
end
if ARGV[2] ~= '' then return found end
local reply = {}
for queue, n in pairs(counts) do reply[#reply + 1], reply[#reply + 2] = queue, math.floor(n + 0.5) end
return reply
