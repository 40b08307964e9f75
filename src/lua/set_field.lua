-- set_field: writes a field of a job that still exists, or that this execution still holds.
--
-- KEYS[1] job
-- ARGV[1] field  ARGV[2] value  ARGV[3] execution, or '' for anybody
--
-- Returns 1, or 0 when there is no such job, or another execution has it.

local held = redis.call('HMGET', KEYS[1], 'status', 'execution_id', 'data')
if not held[1] and not held[3] then return 0 end
if ARGV[3] ~= '' and (held[1] ~= 'started' or held[2] ~= ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
