-- finish: ends executions of one worker that get the same destination, status and fields, and their leases.
-- What counts is the record: the execution that it names as started is ended, even if its lease was deleted. Any other
-- execution is fenced: its job is not changed. The first write is one that a Redis out of memory accepts (ZREM), so that
-- results are written all the same.
--
-- KEYS[1] list  KEYS[2] wip  KEYS[3] finished  KEYS[4] failed  KEYS[5] scheduled
-- ARGV[1] push command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- ARGV[4] prefix of the channels on which a job's end is published  ARGV[5] score of 'failed for ever'
-- ARGV[6] patterns of rq_compat  ARGV[7] 1 when scores are whole seconds
-- ARGV[8] worker
-- ARGV[9] '' when the worker itself calls. Recovery gives the score margin of expired leases: a lease whose score is
-- more than these seconds ahead of now was renewed, and its job is left alone
-- ARGV[10] destination: finished, failed, scheduled, queue (its back), or head (the front of the queue)
-- ARGV[11] for finished and failed, the seconds to keep the job: -1 for ever, 0 not at all; for scheduled, the delay
-- ARGV[12] seconds to keep the results  ARGV[13] status  ARGV[14] n, then n names of fields
-- then for each job: id, execution, n values; in the dialect rq also m, m values of the entry in the results
--
-- Returns for each job: 1 done; 2 done before, by this execution; 0 fenced, the job is not changed; 3 done, but the
-- job has more dependents than one call releases.

local push, push_front, prefix, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local worker, score_margin = ARGV[8], tonumber(ARGV[9])
local destination, seconds, result_ttl, status = ARGV[10], ARGV[11], ARGV[12], ARGV[13]
local names = tonumber(ARGV[14])
rq_init(ARGV[6])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local is_end = destination == 'finished' or destination == 'failed'
local registry = ({ finished = 3, failed = 4, scheduled = 5 })[destination]

-- A key of a wrong type ends the script here, before anything is written.
redis.call('ZCARD', KEYS[2])
if registry then redis.call('ZCARD', KEYS[registry]) else redis.call('LLEN', KEYS[1]) end

-- For each job, the index of its first argument and its entry in wip. Old versions of RQ have no execution.
local first_args, members, count = {}, {}, 0
local next_arg = 15 + names
while ARGV[next_arg] do
  count = count + 1
  first_args[count] = next_arg
  members[count] = ARGV[next_arg + 1] == '' and ARGV[next_arg] or ARGV[next_arg] .. ':' .. ARGV[next_arg + 1]
  next_arg = next_arg + 2 + names
  if rq then next_arg = next_arg + 1 + ARGV[next_arg] end
end

-- Redis reads all scores with one command since 6.2.
local lease_ends = redis.pcall('ZMSCORE', KEYS[2], unpack(members))
if lease_ends.err then
  for i, member in ipairs(members) do lease_ends[i] = redis.call('ZSCORE', KEYS[2], member) end
end
-- A worker that seemed lost may have renewed its lease after recovery read it.
local leased, has_lease = {}, {}
for i = 1, count do
  local lease_end = lease_ends[i]
  has_lease[i] = lease_end and not (score_margin and tonumber(lease_end) > now + score_margin)
  if has_lease[i] then leased[#leased + 1] = members[i] end
end
if #leased > 0 then redis.call('ZREM', KEYS[2], unpack(leased)) end

-- `ended_at` is the position of that field among the values, if it is there. `is_repeated` is true for finished runs
-- of jobs that repeat: their dependents are released as those of a finished job.
local ended_at, is_repeated
for i = 1, names do
  if ARGV[14 + i] == 'ended_at' then ended_at = i + 1 end
  if ARGV[14 + i] == 'repeats_left' then is_repeated = true end
end

-- Returns the reply for an execution without a lease. 2: this very call was made before, and its reply was lost; the
-- record has the call's ended_at. 1: the execution is still to be ended, because only its lease was deleted. (The
-- worker is compared too: a Python program that takes the job over leaves our execution in the record.) 0: fenced.
local function reply_without_lease(first)
  local job = redis.pcall('HMGET', prefix .. ARGV[first], 'execution_id', 'status', 'ended_at', 'worker_name')
  if job[1] ~= ARGV[first + 1] then return 0 end
  if job[2] == 'started' then return job[4] == worker and 1 or 0 end
  if ended_at then return job[3] == ARGV[first + ended_at] and 2 or 0 end
  return job[2] == status and 2 or 0
end

-- All entries of the registry are added with one command at the end. Scores with fractions keep the order of time, and
-- adding at the end of a sorted set is quickest.
local entries, score = {}, nil
if destination == 'scheduled' then
  score = string.format('%d', math.ceil(now + seconds))
elseif seconds == '-1' then
  score = destination == 'failed' and ARGV[5] or '+inf'
elseif ARGV[7] == '1' then
  score = string.format('%d', time[1] + seconds)
else
  score = string.format('%.3f', now + seconds)
end

local function add_to_registry(id, key)
  if is_end and seconds == '0' then
    local group = redis.pcall('HGET', key, 'group_id')
    redis.call('DEL', key)
    delete_related_keys(id, type(group) == 'string' and group)
    return
  end
  local n = #entries
  entries[n + 1], entries[n + 2] = score, id
  if is_end and seconds ~= '-1' then
    redis.call('EXPIRE', key, seconds)
    expire_related_keys(id, seconds)
  end
end

-- The arguments of HSET, made once: from job to job only the values change.
local fields = { 'status', status }
for i = 1, names do fields[i * 2 + 1], fields[i * 2 + 2] = ARGV[14 + i], '' end

-- Ends one execution, whose lease is removed by now, and returns the reply for it.
local function finish(first)
  local id, execution = ARGV[first], ARGV[first + 1]
  local key = prefix .. id
  local entry, job
  if rq then
    local first_value = first + 3 + names
    entry = { unpack(ARGV, first_value, first_value - 1 + ARGV[first_value - 1]) }
    job = redis.pcall('HMGET', key, 'status', 'waited', 'execution_id', 'rate_limit_key')
  else
    job = redis.pcall('HMGET', key, 'status', 'waited', 'execution_id')
  end
  -- In a recovery the record need not name the execution: Python does not write that field, so it may hold an earlier
  -- execution of ours. The execution that it names runs the job only if it has a lease of its own.
  local is_fenced = job[3] ~= execution
    and (not score_margin or job[3] and redis.call('ZSCORE', KEYS[2], id .. ':' .. job[3]))
  -- The record was deleted, and must not be recreated with a few fields; or the job has moved on and only its lease
  -- was left behind; or another job was enqueued under the same id during the run.
  if job[1] ~= 'started' or is_fenced then
    -- The run had its lease, so its result belongs to the job's history of results, as in RQ. It changes nothing else.
    if job[1] and not score_margin then write_result(id, result_ttl, entry) end
    end_fenced_execution(id, execution, worker, ended_at and ARGV[first + ended_at])
    return 0
  end
  delete_execution(id, execution, worker)
  for i = 1, names do fields[i * 2 + 2] = ARGV[first + 1 + i] end
  redis.call('HSET', key, unpack(fields))
  -- With the execution in the record, a late finish of the lost worker would look like a repetition of this call.
  if score_margin then redis.call('HDEL', key, 'execution_id') end
  if (is_repeated and result_ttl or seconds) ~= '0' then write_result(id, result_ttl, entry) end
  local has_more_dependents = (is_end or is_repeated)
    and release_dependents(id, is_repeated and 'finished' or status, ended_at and ARGV[first + ended_at])
  -- A scheduled job frees its slot too: it waits for the rate limit again when it is due.
  if registry and job[4] then leave_rate_limit(id, job[4], ended_at and ARGV[first + ended_at]) end
  if registry then add_to_registry(id, key)
  else redis.call(destination == 'head' and push_front or push, KEYS[1], id)
  end
  -- May be denied by the ACL; waiters also poll.
  if is_end and job[2] then redis.pcall('PUBLISH', channel .. id, status) end
  return has_more_dependents and 3 or 1
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
if #entries > 0 then redis.call('ZADD', KEYS[registry], unpack(entries)) end
return replies
