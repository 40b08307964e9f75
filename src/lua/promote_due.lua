-- promote_due: moves jobs to their queue whose time has come: those that are due, and those that RQ has let go and not
-- put into their queue yet.
--
-- KEYS[1] scheduled, or RQ's registry of those that are ready  KEYS[2] list  KEYS[3] set of queues
-- KEYS[4] unreadable
-- KEYS[5] lock of RQ's schedulers: while another one holds it, that one moves them, and would move them twice
-- KEYS[6] record of a scheduler
-- ARGV[1] push command  ARGV[2] push command for the front  ARGV[3] job key prefix
-- ARGV[4] enqueued_at  ARGV[5] how many at most  ARGV[6] patterns of the books
-- ARGV[7] under which name all of us hold the lock, '' to hold none
-- then fields and values of the record
--
-- Returns how many it took out of the registry.

local LOCKED = 61 -- seconds, as RQ has it

local holder = KEYS[5] and redis.call('GET', KEYS[5])
if holder and holder ~= ARGV[7] then return 0 end
redis.call('LLEN', KEYS[2]) -- a key of a wrong type ends the script here
redis.call('SCARD', KEYS[3])
open_books(ARGV[6])
if ARGV[7] ~= '' then
  -- A full Redis refuses these and still lets go what is due.
  redis.pcall('SET', KEYS[5], ARGV[7], 'EX', LOCKED)
  redis.pcall('HSET', KEYS[6], unpack(ARGV, 8))
  redis.pcall('EXPIRE', KEYS[6], LOCKED)
end
local time = redis.call('TIME')
local now = string.format('%d.%06d', time[1], time[2])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[5])
if #due == 0 then return 0 end
redis.call('ZREM', KEYS[1], unpack(due))
-- 'created': by hand, as RQ allows
local waits = { scheduled = true, created = true, ready_to_enqueue = true }
local back, ahead = {}, {}
for _, id in ipairs(due) do
  local job = ARGV[3] .. id
  local held = redis.pcall('HMGET', job, 'status', 'enqueue_at_front', 'enqueue_at_front_on_retry', 'ended_at',
    'rate_limit_key', 'rate_limit_concurrency')
  if held.err then
    redis.pcall('ZADD', KEYS[4], time[1], id)
  elseif waits[held[1]] then
    local has_run = held[4] and held[4] ~= ''
    local is_first = held[2] == '1' or (held[3] == '1' and has_run)
    if is_limited(held[5], held[6]) then
      wait_for_slot(job, id, held[5], held[6], ARGV[4], is_first)
    else
      local list = is_first and ahead or back
      redis.call('HSET', job, 'status', 'queued', 'enqueued_at', ARGV[4])
      list[#list + 1] = id
    end
  end
end
if #back + #ahead > 0 then redis.call('SADD', KEYS[3], KEYS[2]) end
if #back > 0 then redis.call(ARGV[1], KEYS[2], unpack(back)) end
if #ahead > 0 then redis.call(ARGV[2], KEYS[2], unpack(ahead)) end
return #due
