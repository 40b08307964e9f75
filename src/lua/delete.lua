-- delete: removes a job from wherever it is, and its record.
--
-- KEYS[1] job  KEYS[2] list  KEYS[3] intermediate list  KEYS[4] wip
-- KEYS[5 …] the other registries  KEYS[#KEYS] channel that says the job has ended
-- ARGV[1] id  ARGV[2] the longest list that is searched; in a longer one the id stays and is dropped when claimed
-- ARGV[3] patterns of the books  ARGV[4] enqueued_at of a job that gets its slot
--
-- Returns 1, or 0 when there was no such job.

local job, id = KEYS[1], ARGV[1]
local held = redis.pcall('HMGET', job, 'execution_id', 'status', 'worker_name', 'group_id', 'rate_limit_key')
if held.err then held = { '', 'queued' } end
-- Keys of a wrong type end the script here, before anything is written.
for i = 2, 3 do redis.call('LLEN', KEYS[i]) end
for i = 4, #KEYS - 1 do redis.call('ZCARD', KEYS[i]) end
for i = 5, #KEYS - 1 do redis.call('ZREM', KEYS[i], id) end
open_books(ARGV[3])
local limit = held[5] and held[5] ~= '' and held[5]
end_runs(id, KEYS[4], held[3] or '', limit)
delete_relatives(id, held[4])
redis.call('ZREM', KEYS[4], id .. ':' .. (held[1] or ''))
redis.call('LREM', KEYS[3], 1, id)
if held[2] == 'queued' and redis.call('LLEN', KEYS[2]) <= tonumber(ARGV[2]) then
  redis.call('LREM', KEYS[2], 0, id)
end
local deleted = redis.call('DEL', job)
leave_limit(id, limit, ARGV[4])
redis.pcall('PUBLISH', KEYS[#KEYS], 'deleted') -- not everybody may publish; waiters look for themselves
return deleted
