-- release_scheduler_lock: deletes the lock of a queue's schedulers, if it is ours.
--
-- KEYS[1] lock  KEYS[2] scheduler's record
-- ARGV[1] the value of the lock when it is ours
--
-- Returns 1 when it was ours, else 0.

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1], KEYS[2]) and 1 end
return 0
