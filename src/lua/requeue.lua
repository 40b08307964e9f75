-- requeue: enqueues ended jobs again as new, from the registry that they are in.
--
-- KEYS[1] registry  KEYS[2] list  KEYS[3] set of queues
-- ARGV[1] push command  ARGV[2] job key prefix  ARGV[3] enqueued_at  ARGV[4] patterns of rq_compat
-- ARGV[5] field that counts retries  ARGV[6] statuses of the jobs of this registry, then the ids
--
-- Returns for each id: 1 it is in the queue, 0 it was not in this registry, 2 its record is gone. A leftover
-- entry, of a job that has moved on, is dropped, and the job is not changed.

redis.call('LLEN', KEYS[2]) -- a key of a wrong type ends the script here, before anything is written
redis.call('SCARD', KEYS[3])
rq_init(ARGV[4])
local replies, requeued = {}, {}
for i = 7, #ARGV do
  local id = ARGV[i]
  local key = ARGV[2] .. id
  local status = redis.pcall('HGET', key, 'status')
  if type(status) == 'table' then
    replies[#replies + 1] = 0 -- the record's key has a wrong type; the entry is kept
  elseif redis.call('ZREM', KEYS[1], id) == 0 then
    -- 1 if this very call was made before, and its reply was lost; 0 for an id that this call names twice.
    replies[#replies + 1] = not requeued[id] and redis.pcall('HGET', key, 'enqueued_at') == ARGV[3] and 1 or 0
  elseif redis.pcall('HEXISTS', key, 'data') ~= 1 then
    replies[#replies + 1] = 2
  elseif is_leftover_entry(status, ARGV[6]) then
    replies[#replies + 1] = 0
  else
    redis.call('PERSIST', key)
    reset_job(key, ARGV[5])
    redis.call('SADD', KEYS[3], KEYS[2])
    enqueue_or_wait(key, id, KEYS[2], ARGV[1], ARGV[3])
    requeued[id] = true
    replies[#replies + 1] = 1
  end
end
return replies
