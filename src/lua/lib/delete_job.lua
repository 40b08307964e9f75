-- delete_job: a job and all that belongs to it.

-- Deletes a job's record and its other keys. Returns how many records were deleted.
local function delete_job(id, group)
  delete_related_keys(id, group)
  return redis.call('DEL', JOB_PREFIX .. id)
end
