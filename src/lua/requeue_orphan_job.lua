-- requeue_orphan_job: puts a job back into its queue whose record says that it is somewhere, and that is in no place.
--
-- KEYS[1] job  KEYS[2] list  KEYS[3] intermediate list  KEYS[4] wip  KEYS[5] set of queues
-- KEYS[6 …] the other registries
-- ARGV[1] id  ARGV[2] push command  ARGV[3] enqueued_at  ARGV[4] patterns of the books
-- ARGV[5] the longest list that is searched  ARGV[6] field that counts retries when it begins anew, '' when its life
-- goes on  ARGV[7] the statuses with which it may go back  ARGV[8] what stands before a worker's name in its key
-- ARGV[9] the sign of life of its worker that the caller has seen, '' for none
--
-- Returns 1 it is back, 0 it may not or is somewhere, 2 there is no such record, 3 its queue is too long to be
-- searched for it; { last_heartbeat, lease, now } of a worker of ours that may run it: it puts its lease back with its
-- next sign of life, so one that has given another sign since does not run it.

local job, id, PART = KEYS[1], ARGV[1], 1000

-- Redis 5 has no command for it.
local function is_in_list(key)
  local at = redis.pcall('LPOS', key, id)
  if type(at) ~= 'table' then return at and true end
  for first = 0, redis.call('LLEN', key) - 1, PART do
    for _, one in ipairs(redis.call('LRANGE', key, first, first + PART - 1)) do
      if one == id then return true end
    end
  end
  return false
end

-- The worker that the record names, if it may still run the job: not when it has left, is a later one of that name,
-- or has said since that it runs nothing. Python's have no leases.
local function last_sign(worker, started_at)
  local its = redis.pcall('HMGET', ARGV[8] .. worker, 'last_heartbeat', 'lease', 'birth', 'death', 'state')
  if its.err or not its[1] or not its[2] or its[4] then return end
  if its[3] and its[3] > started_at or its[5] == 'idle' and its[1] > started_at then return end
  return (ARGV[9] == '' or ARGV[9] == its[1]) and { its[1], its[2], redis.call('TIME')[1] }
end

open_books(ARGV[4])
local held = redis.call('HMGET', job, 'data', 'status', 'execution_id', 'enqueued_at', 'rate_limit_key',
  'worker_name', 'started_at')
if not held[1] then return 2 end
local status = held[2] and held[2] ~= '' and held[2] or 'created'
-- A repeated call of our own, whose first answer was lost.
if (status == 'queued' or status == 'rate_limited') and held[4] == ARGV[3] then return 1 end
if not string.find(' ' .. ARGV[7] .. ' ', ' ' .. status .. ' ', 1, true) then return 0 end
for i = 6, #KEYS do
  if redis.call('ZSCORE', KEYS[i], id) then return 0 end
end
if redis.call('ZSCORE', KEYS[4], id .. ':' .. (held[3] or '')) or redis.call('ZSCORE', KEYS[4], id) then return 0 end
local limit = books and held[5] and held[5] ~= '' and held[5]
-- Of a run of ours its worker's sign of life tells more than what is kept for longer than its lease.
local run = status == 'started' and held[3]
if is_run(id, run) or limit and redis.pcall('ZSCORE', book(WAITING, limit), id) then return 0 end
for i = 2, 3 do
  if redis.call('LLEN', KEYS[i]) > tonumber(ARGV[5]) then return 3 end
  if is_in_list(KEYS[i]) then return 0 end
end
local sign = status == 'started' and held[6] and last_sign(held[6], held[7] or '')
if sign then return sign end
if run then drop_execution(id, run, held[6] or '') end
redis.call('SADD', KEYS[5], KEYS[2])
redis.call('PERSIST', job)
if ARGV[6] ~= '' then begin_anew(job, ARGV[6]) else redis.call('HDEL', job, 'execution_id') end
into_queue(job, id, KEYS[2], ARGV[2], ARGV[3])
return 1
