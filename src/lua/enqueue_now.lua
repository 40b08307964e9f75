-- enqueue_now: puts jobs that wait for their time into their queue now.
--
-- KEYS[1] scheduled  KEYS[2] list  KEYS[3] set of queues
-- ARGV[1] push command  ARGV[2] job key prefix  ARGV[3] enqueued_at  ARGV[4] patterns of the books
-- ARGV[5] statuses of the jobs of this registry, then the ids
--
-- Returns for each id: 1 it is in the queue, 0 it was not scheduled, 2 its record is gone. An entry that was left
-- behind by a job that has another place by now is dropped.

redis.call('LLEN', KEYS[2]) -- a key of a wrong type ends the script here
redis.call('SCARD', KEYS[3])
open_books(ARGV[4])
local replies = {}
for i = 6, #ARGV do
  local id = ARGV[i]
  local job = ARGV[2] .. id
  local status = redis.pcall('HGET', job, 'status')
  if type(status) == 'table' then
    replies[#replies + 1] = 0 -- another program has taken the key of the record; the entry is kept
  elseif redis.call('ZREM', KEYS[1], id) == 0 then
    -- A repeated call of our own, whose first answer was lost, has done it before.
    replies[#replies + 1] = redis.pcall('HGET', job, 'enqueued_at') == ARGV[3] and 1 or 0
  elseif redis.pcall('HEXISTS', job, 'data') ~= 1 then
    replies[#replies + 1] = 2
  elseif is_elsewhere(status, ARGV[5]) then
    replies[#replies + 1] = 0
  else
    redis.call('SADD', KEYS[3], KEYS[2])
    into_queue(job, id, KEYS[2], ARGV[1], ARGV[3])
    replies[#replies + 1] = 1
  end
end
return replies
