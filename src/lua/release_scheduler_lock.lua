-- release_scheduler_lock: gives back the lock of a scheduler, when it is ours.
--
-- KEYS[1] lock  KEYS[2] record of the scheduler
-- ARGV[1] under which name we hold it
--
-- Returns 1 when it was ours, else 0.

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1], KEYS[2]) and 1 end
return 0
