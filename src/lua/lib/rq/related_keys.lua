-- rq/related_keys: keys of a job beside its record: dependents, dependencies, results, its group. Only the dialect rq
-- has them.

-- The keys of a job's dependencies expire with its record.
local function expire_related_keys(id, seconds)
  redis.pcall('EXPIRE', dependents_key(id), seconds)
  redis.pcall('EXPIRE', dependencies_key(id), seconds)
end

-- Takes the job out of its group, and the group out of the set of groups when it was the last one.
local function leave_group(id, group)
  if type(group) ~= 'string' or group == '' then return end
  if redis.pcall('SREM', group_key(group), id) == 1 and redis.call('EXISTS', group_key(group)) == 0 then
    redis.pcall('SREM', GROUP_NAMES, group)
  end
end

local function delete_related_keys(id, group)
  redis.call('DEL', dependents_key(id), dependencies_key(id), results_key(id))
  leave_group(id, group)
end

-- Adds an entry to the job's history of results. `seconds` is the stream's time to live: -1 for ever, '' leaves it
-- unchanged.
local function write_result(id, seconds, entry)
  if #entry == 0 then return end
  local key = results_key(id)
  redis.pcall('XADD', key, 'MAXLEN', '~', 10, '*', unpack(entry))
  if seconds == '-1' then
    redis.pcall('PERSIST', key)
  elseif seconds ~= '' then
    redis.pcall('EXPIRE', key, seconds)
  end
end
