-- finish: ends executions of one worker that get the same destination, status and fields, and their leases.
-- What counts is the record: the execution that it names as started is ended, even if its lease was deleted. Any other
-- execution is fenced: its job is not changed. The first write is one that a Redis out of memory accepts (ZREM), so that
-- results are written all the same.
--
-- score_margin: nil when the worker itself calls. Recovery gives the score margin of expired leases: a lease whose score
-- is more than these seconds ahead of now was renewed, and its job is left alone
-- destination: finished, failed, scheduled, queue (its back), or head (the front of the queue)
-- seconds: for finished and failed, to keep the job: -1 for ever, 0 not at all; for scheduled, the delay
-- Arguments that follow: `names` names of fields; then for each job: id, execution, `names` values; in the dialect rq
-- also m, m values of the entry in the results
--
-- Returns for each job: 1 done; 2 done before, by this execution; 0 fenced, the job is not changed; 3 done, but the
-- job has more dependents than one call releases.

local time = redis.call('TIME')
local now = seconds_of(time)
local is_end = destination == 'finished' or destination == 'failed'
local registry = ({ finished = FINISHED, failed = FAILED, scheduled = SCHEDULED })[destination]

require_type('ZCARD', WIP)
if registry then require_type('ZCARD', registry) else require_type('LLEN', LIST) end

-- For each job, the index of its first argument and its entry in wip. Old versions of RQ have no execution.
local first_args, members, count = {}, {}, 0
local next_arg = FIRST_ARG + names
while ARGV[next_arg] do
  count = count + 1
  first_args[count] = next_arg
  members[count] = ARGV[next_arg + 1] == '' and ARGV[next_arg] or ARGV[next_arg] .. ':' .. ARGV[next_arg + 1]
  next_arg = next_arg + 2 + names
  if RQ then next_arg = next_arg + 1 + ARGV[next_arg] end
end

-- Redis reads all scores with one command since 6.2.
local lease_ends = redis.pcall('ZMSCORE', WIP, unpack(members))
if lease_ends.err then
  for i, member in ipairs(members) do lease_ends[i] = redis.call('ZSCORE', WIP, member) end
end
-- A worker that seemed lost may have renewed its lease after recovery read it.
local leased, has_lease = {}, {}
for i = 1, count do
  local lease_end = lease_ends[i]
  has_lease[i] = lease_end and not (score_margin and tonumber(lease_end) > now + score_margin)
  if has_lease[i] then leased[#leased + 1] = members[i] end
end
if #leased > 0 then redis.call('ZREM', WIP, unpack(leased)) end

-- The arguments of HSET, made once: from job to job only the values change. `ended_at` is the position of that field
-- among the values, if it is there. `is_repeated` is true for finished runs of jobs that repeat: their dependents are
-- released as those of a finished job.
local fields = { 'status', status }
local ended_at, is_repeated
for i = 1, names do
  local name = ARGV[FIRST_ARG - 1 + i]
  fields[i * 2 + 1], fields[i * 2 + 2] = name, ''
  if name == 'ended_at' then ended_at = i + 1 end
  if name == 'repeats_left' then is_repeated = true end
end

-- Returns the reply for an execution without a lease. 2: this very call was made before, and its reply was lost; the
-- record has the call's ended_at. 1: the execution is still to be ended, because only its lease was deleted. (The
-- worker is compared too: a Python program that takes the job over leaves our execution in the record.) 0: fenced.
local function reply_without_lease(first)
  local job = redis.pcall('HMGET', JOB_PREFIX .. ARGV[first], 'execution_id', 'status', 'ended_at', 'worker_name')
  if job[1] ~= ARGV[first + 1] then return 0 end
  if job[2] == 'started' then return job[4] == worker and 1 or 0 end
  if ended_at then return job[3] == ARGV[first + ended_at] and 2 or 0 end
  return job[2] == status and 2 or 0
end

-- All entries of the registry are added with one command at the end. Scores with fractions keep the order of time, and
-- adding at the end of a sorted set is quickest.
local entries = {}
local score
if destination == 'scheduled' then
  score = string.format('%d', math.ceil(now + seconds))
elseif seconds == '-1' then
  score = destination == 'failed' and FAILED_FOREVER or '+inf'
else
  score = score_after(time, seconds)
end

local function add_to_registry(id, key)
  if is_end and seconds == '0' then
    delete_job(id, RQ and redis.pcall('HGET', key, 'group_id'))
    return
  end
  local n = #entries
  entries[n + 1], entries[n + 2] = score, id
  if is_end and seconds ~= '-1' then
    redis.call('EXPIRE', key, seconds)
    expire_related_keys(id, seconds)
  end
end

-- Returns true if the job is not the execution's to end: the record was deleted, and must not be recreated with a few
-- fields; or the job has moved on and only its lease was left behind; or another job was enqueued under the same id
-- during the run. `recorded` is the execution that the record names.
-- In a recovery the record need not name the execution: Python does not write that field, so it may hold an earlier
-- execution of ours. The execution that it names runs the job only if it has a lease of its own.
local function is_fenced(id, execution, job_status, recorded)
  return job_status ~= 'started' or recorded ~= execution
    and (not score_margin or recorded and redis.call('ZSCORE', WIP, id .. ':' .. recorded))
end

-- Writes the record of an execution that ends, and moves the job to its destination. Returns the reply for it.
local function end_execution(first, key, entry, is_waited_for, limit)
  local id = ARGV[first]
  local time_of_end = ended_at and ARGV[first + ended_at]
  delete_execution(id, ARGV[first + 1], worker)
  for i = 1, names do fields[i * 2 + 2] = ARGV[first + 1 + i] end
  redis.call('HSET', key, unpack(fields))
  -- With the execution in the record, a late finish of the lost worker would look like a repetition of this call.
  if score_margin then redis.call('HDEL', key, 'execution_id') end
  if (is_repeated and result_ttl or seconds) ~= '0' then write_result(id, result_ttl, entry) end
  local has_more_dependents = (is_end or is_repeated)
    and release_dependents(id, is_repeated and 'finished' or status, time_of_end)
  -- A scheduled job frees its slot too: it waits for the rate limit again when it is due.
  if registry and limit then leave_rate_limit(id, limit, time_of_end) end
  if registry then add_to_registry(id, key)
  else redis.call(destination == 'head' and PUSH_FRONT or PUSH, LIST, id)
  end
  if is_end and is_waited_for then publish_end(id, status) end
  return has_more_dependents and 3 or 1
end

-- Ends one execution, whose lease is removed by now, unless it is fenced. Returns the reply for it.
local function finish(first)
  local id, execution = ARGV[first], ARGV[first + 1]
  local key = JOB_PREFIX .. id
  local entry, job
  if RQ then
    local first_value = first + 3 + names
    entry = { unpack(ARGV, first_value, first_value - 1 + ARGV[first_value - 1]) }
    job = redis.pcall('HMGET', key, 'status', 'waited', 'execution_id', 'rate_limit_key')
  else
    job = redis.pcall('HMGET', key, 'status', 'waited', 'execution_id')
  end
  if is_fenced(id, execution, job[1], job[3]) then
    -- The run had its lease, so its result belongs to the job's history of results, as in RQ. It changes nothing else.
    if job[1] and not score_margin then write_result(id, result_ttl, entry) end
    end_fenced_execution(id, execution, worker, ended_at and ARGV[first + ended_at])
    return 0
  end
  return end_execution(first, key, entry, job[2], job[4])
end

local replies = {}
for i = 1, count do
  local first = first_args[i]
  if has_lease[i] then
    replies[i] = finish(first)
  elseif score_margin then
    replies[i] = 0
  else
    replies[i] = reply_without_lease(first)
    if replies[i] == 1 then
      replies[i] = finish(first)
    else
      end_fenced_execution(ARGV[first], ARGV[first + 1], worker, ended_at and ARGV[first + ended_at])
    end
  end
end
if #entries > 0 then redis.call('ZADD', registry, unpack(entries)) end
return replies
