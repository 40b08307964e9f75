-- revive: puts a job back into its queue whose record says that it is somewhere, and that is in no place.
--
-- KEYS[1] job  KEYS[2] list  KEYS[3] intermediate list  KEYS[4] wip  KEYS[5] set of queues
-- KEYS[6 …] the other registries
-- ARGV[1] id  ARGV[2] push command  ARGV[3] enqueued_at  ARGV[4] patterns of the books
-- ARGV[5] the longest list that is searched  ARGV[6] field that counts retries when it begins anew, '' when its life
-- goes on  ARGV[7] the statuses with which it may go back
--
-- Returns 1 it is back, 0 it may not or is somewhere, 2 there is no such record, 3 its queue is too long to be
-- searched for it.

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

open_books(ARGV[4])
local held = redis.call('HMGET', job, 'data', 'status', 'execution_id', 'enqueued_at', 'rate_limit_key')
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
if is_run(id) or limit and redis.pcall('ZSCORE', book(WAITING, limit), id) then return 0 end
for i = 2, 3 do
  if redis.call('LLEN', KEYS[i]) > tonumber(ARGV[5]) then return 3 end
  if is_in_list(KEYS[i]) then return 0 end
end
redis.call('SADD', KEYS[5], KEYS[2])
redis.call('PERSIST', job)
if ARGV[6] ~= '' then begin_anew(job, ARGV[6]) else redis.call('HDEL', job, 'execution_id') end
into_queue(job, id, KEYS[2], ARGV[2], ARGV[3])
return 1
