-- checks: facts that a script checks before it writes anything.

-- Ends the script if one of the keys has another type than the command reads.
local function require_type(command, ...)
  for i = 1, select('#', ...) do redis.call(command, (select(i, ...))) end
end
