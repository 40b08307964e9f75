-- books: what only Python's tools read, kept in step with the job. Stands before the scripts that
-- need it; a dialect without books passes no patterns, and nothing of this is written.
--
-- KEYS none of its own: names are made of the patterns that open_books gets, in this order: stream of
-- results, execution, executions of a job, executions of a worker, dependents, dependencies, group,
-- slots of a rate limit, deferred, list, job.
--
-- Returns nothing.

local RESULTS, EXECUTION, EXECUTIONS, OF_WORKER, DEPENDENTS, DEPENDENCIES, GROUP = 1, 2, 3, 4, 5, 6, 7
local SLOTS, DEFERRED, LIST, JOB = 8, 9, 10, 11
local MOST_DEPENDENTS = 10000
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

-- All runs of a job, whoever runs it: ends their leases too.
local function drop_executions(id, wip, worker)
  if not books then return end
  local all = redis.pcall('ZRANGE', book(EXECUTIONS, id), 0, -1)
  for _, execution in ipairs(all.err and {} or all) do
    redis.pcall('ZREM', wip, id .. ':' .. execution)
    drop_execution(id, execution, worker)
  end
end

-- Whether a job that another one waits for lets it go on. One that is gone does, as in RQ.
local function is_met(status, allows_failure)
  return not status or status == 'finished' or (status == 'failed' and allows_failure)
end

-- Jobs that waited for this one, which has just ended with that status, go to their queues if they wait
-- for nothing else. Returns whether there are more than one call may look at.
local function release_dependents(id, status, moment, push, front)
  if not books then return false end
  local key = book(DEPENDENTS, id)
  local dependents = redis.pcall('SRANDMEMBER', key, MOST_DEPENDENTS)
  for _, dependent in ipairs(dependents.err and {} or dependents) do
    local job = book(JOB, dependent)
    local held = redis.pcall('HMGET', job, 'status', 'origin', 'allow_dependency_failures', 'enqueue_at_front')
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
        redis.call('HSET', job, 'status', 'queued', 'enqueued_at', moment)
        redis.call(held[4] == '1' and front or push, book(LIST, held[2]), dependent)
      end
      redis.call('SREM', key, dependent)
    end
  end
  return #dependents >= MOST_DEPENDENTS
end

-- A job that asks for a rate limit is refused, but gives its slot back. Who waits for one is let in
-- by Python: it could only be refused too.
local function free_slot(id, limit)
  if books and type(limit) == 'string' and limit ~= '' then redis.pcall('ZREM', book(SLOTS, limit), id) end
end

local function expire_relatives(id, seconds)
  if not books then return end
  redis.pcall('EXPIRE', book(DEPENDENTS, id), seconds)
  redis.pcall('EXPIRE', book(DEPENDENCIES, id), seconds)
end

local function delete_relatives(id, group)
  if not books then return end
  redis.call('DEL', book(DEPENDENTS, id), book(DEPENDENCIES, id), book(RESULTS, id), book(EXECUTIONS, id))
  if group and group ~= '' then redis.pcall('SREM', book(GROUP, group), id) end
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
