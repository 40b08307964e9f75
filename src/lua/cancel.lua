-- cancel: takes a job that has not ended out of its place. A running one loses its lease, so
-- whatever its handler still does changes nothing.
--
-- KEYS[1] job  KEYS[2] list  KEYS[3] intermediate list  KEYS[4] wip  KEYS[5] scheduled
-- KEYS[6] deferred  KEYS[7] ready  KEYS[8] canceled  KEYS[9] channel that says the job has ended
-- ARGV[1] id  ARGV[2] ended_at  ARGV[3] seconds to keep the record, or -1
-- ARGV[4] the longest list that is searched; in a longer one the id stays and is dropped when claimed
-- ARGV[5] patterns of the books
--
-- Returns the status the job had, or false when there is no such job.

local job, id = KEYS[1], ARGV[1]
local held = redis.call('HMGET', job, 'status', 'execution_id', 'data', 'worker_name', 'rate_limit_key')
if not held[1] and not held[3] then return false end
local status = held[1] or 'created'
-- A repeated call of our own, whose first answer was lost.
if status == 'canceled' and redis.call('HGET', job, 'ended_at') == ARGV[2] then return 'queued' end
if status == 'finished' or status == 'failed' or status == 'stopped' or status == 'canceled' then
  return status
end
-- Keys of a wrong type end the script here, before anything is written.
for i = 2, 3 do redis.call('LLEN', KEYS[i]) end
for i = 4, 8 do redis.call('ZCARD', KEYS[i]) end
open_books(ARGV[5])
local limit = held[5] and held[5] ~= '' and held[5]
end_runs(id, KEYS[4], held[4] or '', limit)
redis.call('ZREM', KEYS[4], id .. ':' .. (held[2] or ''))
for i = 5, 7 do redis.call('ZREM', KEYS[i], id) end
redis.call('LREM', KEYS[3], 1, id)
if status == 'queued' and redis.call('LLEN', KEYS[2]) <= tonumber(ARGV[4]) then
  redis.call('LREM', KEYS[2], 0, id)
end
redis.call('HSET', job, 'status', 'canceled', 'ended_at', ARGV[2])
redis.call('HDEL', job, 'execution_id') -- so that the end of its run is not taken for a repeated one
if ARGV[3] ~= '-1' then redis.call('EXPIRE', job, ARGV[3]) end
redis.call('ZADD', KEYS[8], redis.call('TIME')[1], id)
leave_limit(id, limit, ARGV[2])
redis.pcall('PUBLISH', KEYS[9], 'canceled') -- not everybody may publish; waiters look for themselves
return status
