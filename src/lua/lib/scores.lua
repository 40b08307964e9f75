-- scores: times as the scores of sorted sets. `time` is the reply of TIME.

local function seconds_of(time)
  return time[1] + time[2] / 1000000
end

-- The score of the time `seconds` from now.
local function score_after(time, seconds)
  if INTEGER_SCORES then return string.format('%d', time[1] + seconds) end
  return string.format('%.3f', seconds_of(time) + seconds)
end

-- The score in `wip` of a lease that begins now.
local function lease_score(time, lease)
  return score_after(time, lease + SCORE_OFFSET)
end

-- Reads when a job is due: '+seconds' from now, '@seconds' since 1970. Returns its score in `scheduled`, which is never
-- before its time, and the seconds until then.
local function read_due(due, time)
  local now = time[1] + time[2] / 1000000
  local at = tonumber(string.sub(due, 2))
  if string.sub(due, 1, 1) == '+' then at = now + at end
  local score = INTEGER_SCORES and string.format('%d', math.ceil(at)) or string.format('%.3f', at)
  return score, math.max(0, math.ceil(at - now))
end
