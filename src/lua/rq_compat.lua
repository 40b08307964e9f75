-- rq_compat: what only RQ's dialect has, kept in step with the job: what its tools read, jobs that wait for others,
-- rate limits. Stands before the scripts that need it; a dialect without books passes no patterns, and nothing of
-- this is written.
--
-- KEYS none of its own: names are made of the patterns that open_books gets, in this order: stream of
-- results, execution, executions of a job, executions of a worker, dependents, dependencies, group,
-- slots of a rate limit, deferred, list, job, those that wait for a rate limit, rate limit, names of rate limits,
-- names of groups; then the commands that push behind the others and before them.
--
-- Returns nothing.

local RESULTS, EXECUTION, EXECUTIONS, OF_WORKER, DEPENDENTS, DEPENDENCIES, GROUP = 1, 2, 3, 4, 5, 6, 7
local SLOTS, DEFERRED, LIST, JOB, WAITING, LIMIT, LIMITS, GROUPS, PUSH, FRONT = 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
local MOST_DEPENDENTS, MOST_LET_IN = 10000, 100
local books

local function open_books(patterns)
  if patterns == '' then return end
  books = {}
  for pattern in string.gmatch(patterns, '%S+') do books[#books + 1] = pattern end
end

local function book(kind, name)
  return (string.gsub(books[kind], '%*', function() return name end))
end

-- Readers expect the hash for as long as its entry in the set; both live a minute longer than the lease.
local function write_execution(id, execution, worker, time, seconds, is_new)
  if not books then return end
  local now = string.format('%d.%06d', time[1], time[2])
  local key, all = book(EXECUTION, id .. ':' .. execution), book(EXECUTIONS, id)
  local mine = book(OF_WORKER, worker)
  redis.pcall('HSET', key, 'last_heartbeat', now)
  if is_new then
    redis.pcall('HSET', key, 'id', execution, 'job_id', id, 'created_at', now, 'worker_name', worker)
    redis.pcall('SADD', mine, id .. ':' .. execution)
  end
  redis.pcall('EXPIRE', key, seconds)
  redis.pcall('ZADD', all, time[1] + seconds, execution)
  redis.pcall('EXPIRE', all, seconds)
  redis.pcall('EXPIRE', mine, seconds)
end

local function drop_execution(id, execution, worker)
  if not books then return end
  redis.pcall('DEL', book(EXECUTION, id .. ':' .. execution))
  redis.pcall('ZREM', book(EXECUTIONS, id), execution)
  redis.pcall('SREM', book(OF_WORKER, worker), id .. ':' .. execution)
end

-- Whether somebody runs the job, whatever its record says; a run that nobody renews ends by its score. `but`: a run
-- that does not count.
local function is_run(id, but)
  if not books then return false end
  local runs, now = book(EXECUTIONS, id), redis.call('TIME')[1]
  local live = redis.pcall('ZCOUNT', runs, now, '+inf')
  if type(live) ~= 'number' then return false end
  local score = but and redis.pcall('ZSCORE', runs, but)
  if score and tonumber(score) >= tonumber(now) then live = live - 1 end
  return live > 0
end

-- A run knows whose slot it takes, also when its job is deleted.
local function name_limit(id, execution, limit)
  redis.pcall('HSET', book(EXECUTION, id .. ':' .. execution), 'rate_limit_key', limit)
end

-- The leases of all runs of a job, whoever runs it. The runs too, unless they are what a rate limit counts:
-- its slot is taken until the handler has stopped.
local function end_runs(id, wip, worker, limit)
  if not books then return end
  local all = redis.pcall('ZRANGE', book(EXECUTIONS, id), 0, -1)
  for _, execution in ipairs(all.err and {} or all) do
    redis.pcall('ZREM', wip, id .. ':' .. execution)
    if not limit then drop_execution(id, execution, worker) end
  end
end

-- Whether a record asks for a rate limit, as RQ sees it. Keys that another program has taken limit nothing.
local function is_limited(limit, most)
  if not books or not limit or limit == '' or not most or not string.find(most, '^%d+$') then return false end
  return type(redis.pcall('ZCARD', book(SLOTS, limit))) == 'number'
    and type(redis.pcall('ZCARD', book(WAITING, limit))) == 'number'
    and type(redis.pcall('HLEN', book(LIMIT, limit))) == 'number'
    and type(redis.pcall('SCARD', book(LIMITS, ''))) == 'number'
end

-- How many slots a limit has. When somebody has deleted its hash, the records of those that wait for it know.
local function count_slots(limit)
  local most = redis.pcall('HGET', book(LIMIT, limit), 'concurrency')
  if most then return type(most) == 'string' and tonumber(most) or 0 end
  local waiting = redis.pcall('ZRANGE', book(WAITING, limit), 0, MOST_LET_IN - 1)
  for _, id in ipairs(waiting.err and {} or waiting) do
    local held = redis.pcall('HMGET', book(JOB, id), 'rate_limit_key', 'rate_limit_concurrency')
    if held[1] == limit and is_limited(limit, held[2]) then
      redis.call('SADD', book(LIMITS, ''), limit)
      redis.call('HSET', book(LIMIT, limit), 'concurrency', held[2])
      return tonumber(held[2])
    end
  end
  return 0
end

-- Jobs that wait for a slot of this limit, the eldest first, get one and go to their queues, as long as there are
-- any. One that was taken back and still runs has its slot for that run, and waits until it has stopped: else two
-- runs would share a slot. What is more than one call may do is left to the duty that looks after limits.
local function let_in(limit, moment)
  local slots, waiting = book(SLOTS, limit), book(WAITING, limit)
  local most = count_slots(limit)
  local passed_over = {}
  for _ = 1, MOST_LET_IN do
    local taken = redis.pcall('ZCARD', slots)
    local first = type(taken) == 'number' and taken < most and redis.pcall('ZPOPMIN', waiting) or {}
    local id, score = first[1], first[2]
    if not id then break end
    local job = book(JOB, id)
    local held = redis.pcall('HMGET', job, 'status', 'origin', 'enqueue_at_front')
    if held[1] == 'rate_limited' and held[2] then
      local list = book(LIST, held[2])
      local can_take = type(redis.pcall('LLEN', list)) == 'number'
      if can_take and not is_run(id) then
        redis.call('ZADD', slots, redis.call('TIME')[1], id)
        redis.call('HSET', job, 'status', 'queued', 'enqueued_at', moment)
        redis.call(books[held[3] == '1' and FRONT or PUSH], list, id)
      else
        passed_over[#passed_over + 1], passed_over[#passed_over + 2] = score, id
        if not can_take then break end
      end
    end
  end
  if #passed_over > 0 then redis.call('ZADD', waiting, unpack(passed_over)) end
end

-- A job that has a rate limit does not go to its queue by itself: it waits, and who is next is let in. The slot that
-- it still has is of a run that has not stopped, or is free again.
local function wait_for_slot(job, id, limit, most, moment, is_first)
  redis.call('SADD', book(LIMITS, ''), limit)
  redis.call('HSET', book(LIMIT, limit), 'concurrency', most)
  redis.call('HSET', job, 'status', 'rate_limited', 'enqueued_at', moment)
  if is_first then redis.call('HSET', job, 'enqueue_at_front', '1') end
  redis.call('ZADD', book(WAITING, limit), redis.call('TIME')[1], id)
  if not is_run(id) then redis.pcall('ZREM', book(SLOTS, limit), id) end
  let_in(limit, moment)
end

-- A job goes into its queue, by way of its rate limit if it has one.
local function into_queue(job, id, list, push, moment)
  local held = books and redis.pcall('HMGET', job, 'rate_limit_key', 'rate_limit_concurrency') or {}
  if is_limited(held[1], held[2]) then return wait_for_slot(job, id, held[1], held[2], moment) end
  redis.call('HSET', job, 'status', 'queued', 'enqueued_at', moment)
  redis.call(push, list, id)
end

-- Whether the job may start: it needs no slot, or has one that no other run of it takes.
local function has_slot(id, limit, most)
  return not is_limited(limit, most) or redis.pcall('ZSCORE', book(SLOTS, limit), id) and not is_run(id)
end

-- A job that is not in its queue any more does not wait for a slot, and gives its own back when nobody runs it; the
-- next one is let in.
local function leave_limit(id, limit, moment)
  if not books or type(limit) ~= 'string' or limit == '' then return end
  redis.pcall('ZREM', book(WAITING, limit), id)
  if is_run(id) then return end
  if redis.pcall('ZREM', book(SLOTS, limit), id) == 1 and moment then let_in(limit, moment) end
end

-- The run of a job that somebody has taken back, deleted or taken over meanwhile: with it ends the claim on a slot
-- that its job has lost.
local function end_stale_run(id, execution, worker, moment)
  if not books then return end
  local kept = redis.pcall('HGET', book(EXECUTION, id .. ':' .. execution), 'rate_limit_key')
  drop_execution(id, execution, worker)
  local held = redis.pcall('HMGET', book(JOB, id), 'status', 'rate_limit_key')
  local limit = type(kept) == 'string' and kept or held[2]
  if held[1] == 'queued' or held[1] == 'started' then return end
  if type(limit) ~= 'string' or is_run(id) then return end
  if redis.pcall('ZREM', book(SLOTS, limit), id) == 1 and moment then let_in(limit, moment) end
end

-- Whether a job that another one waits for lets it go on. One that is gone does, as in RQ.
local function is_met(status, allows_failure)
  return not status or status == 'finished' or (status == 'failed' and allows_failure)
end

-- Jobs that waited for this one, which has just ended with that status, go to their queues if they wait
-- for nothing else. Returns whether there are more than one call may look at.
local function release_dependents(id, status, moment)
  if not books then return false end
  local key = book(DEPENDENTS, id)
  local dependents = redis.pcall('SRANDMEMBER', key, MOST_DEPENDENTS)
  for _, dependent in ipairs(dependents.err and {} or dependents) do
    local job = book(JOB, dependent)
    local held = redis.pcall('HMGET', job, 'status', 'origin', 'allow_dependency_failures', 'enqueue_at_front',
      'rate_limit_key', 'rate_limit_concurrency')
    local allows_failure = held[3] == '1'
    local others = redis.pcall('SMEMBERS', book(DEPENDENCIES, dependent))
    local is_free = is_met(status, allows_failure)
    for _, other in ipairs(others.err and {} or others) do
      if other ~= id then
        local its = redis.pcall('HGET', book(JOB, other), 'status')
        is_free = is_free and is_met(type(its) == 'string' and its, allows_failure)
      end
    end
    if not held.err and is_free then
      local is_waiting = held[1] == 'deferred' and held[2]
      if is_waiting and type(redis.pcall('LLEN', book(LIST, held[2]))) == 'number' then
        redis.pcall('ZREM', book(DEFERRED, held[2]), dependent)
        if is_limited(held[5], held[6]) then
          wait_for_slot(job, dependent, held[5], held[6], moment)
        else
          redis.call('HSET', job, 'status', 'queued', 'enqueued_at', moment)
          redis.call(books[held[4] == '1' and FRONT or PUSH], book(LIST, held[2]), dependent)
        end
      end
      redis.call('SREM', key, dependent)
    end
  end
  return #dependents >= MOST_DEPENDENTS
end

local function expire_relatives(id, seconds)
  if not books then return end
  redis.pcall('EXPIRE', book(DEPENDENTS, id), seconds)
  redis.pcall('EXPIRE', book(DEPENDENCIES, id), seconds)
end

-- The job has left its group; a group without jobs is none.
local function leave_group(id, group)
  if type(group) ~= 'string' or group == '' then return end
  if redis.pcall('SREM', book(GROUP, group), id) == 1 and redis.call('EXISTS', book(GROUP, group)) == 0 then
    redis.pcall('SREM', book(GROUPS, ''), group)
  end
end

local function delete_relatives(id, group)
  if not books then return end
  redis.call('DEL', book(DEPENDENTS, id), book(DEPENDENCIES, id), book(RESULTS, id))
  leave_group(id, group)
end

-- seconds: how long the stream lives; -1 for ever, '' leaves that as it is.
local function write_result(id, seconds, entry)
  if not books or #entry == 0 then return end
  local key = book(RESULTS, id)
  redis.pcall('XADD', key, 'MAXLEN', '~', 10, '*', unpack(entry))
  if seconds == '-1' then
    redis.pcall('PERSIST', key)
  elseif seconds ~= '' then
    redis.pcall('EXPIRE', key, seconds)
  end
end
