-- store_jobs: stores new jobs and pushes their ids to the queue, or schedules them.

-- Stores the jobs whose arguments begin at `next_arg`, each wholly or not at all, and returns a code for each: see the
-- script `enqueue`, which takes the same arguments.
local function store_jobs(list, queues, scheduled, has_times, next_arg)
  redis.call('SADD', queues, list)
  redis.call('LLEN', list) -- not by require_type: a function costs as much as this command
  if has_times then redis.call('ZCARD', scheduled) end
  local time = has_times and redis.call('TIME')
  local stored, back, front, entries, count = {}, {}, {}, {}, 0
  while ARGV[next_arg] do
    local id, first = ARGV[next_arg], next_arg + 4
    local key = JOB_PREFIX .. id
    local destination, ttl = ARGV[next_arg + 1], ARGV[next_arg + 2]
    next_arg = first + ARGV[next_arg + 3]
    count = count + 1
    if redis.call('EXISTS', key) == 0 then
      local score, delay
      if destination ~= '0' and destination ~= '1' then score, delay = read_due(destination, time) end
      redis.call('HSET', key, unpack(ARGV, first, next_arg - 1))
      -- The time to live limits the wait in the queue, so it begins when the job gets there.
      if ttl ~= '' then redis.call('EXPIRE', key, ttl + (delay or 0)) end
      if score then
        entries[#entries + 1], entries[#entries + 2] = score, id
      else
        local ids = destination == '1' and front or back
        ids[#ids + 1] = id
      end
      stored[count] = 1
    else
      local created_at = redis.pcall('HGET', key, 'created_at')
      stored[count] = created_at == ARGV[first + 1] and 1 or 0
    end
  end
  if #back > 0 then redis.call(PUSH, list, unpack(back)) end
  if #front > 0 then redis.call(PUSH_FRONT, list, unpack(front)) end
  if #entries > 0 then redis.call('ZADD', scheduled, unpack(entries)) end
  return stored
end
