-- release_scheduler_lock: deletes the lock of a queue's schedulers, if it is ours: if it has our value.
--
-- Returns 1 when it was ours, else 0.

if redis.call('GET', LOCK) == value then return redis.call('DEL', LOCK, RECORD) and 1 end
return 0
