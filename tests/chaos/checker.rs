//! The invariants, checked from outside by one atomic script: every accepted job is in exactly one list or registry,
//! and its status agrees with it.

use std::time::{Duration, Instant};

use crate::{PREFIX, QUEUES};

/// Returns a line for each job whose status is not that of the one list or registry it is in.
const FIND_VIOLATIONS: &str = r"
local prefix, accepted = ARGV[1], tonumber(ARGV[2])
local locations, violations = {}, {}
local function add(id, location)
  locations[id] = locations[id] and (locations[id] .. '+' .. location) or location
end
for i = 3, #ARGV do
  local queue = ARGV[i]
  for _, id in ipairs(redis.call('LRANGE', prefix .. ':queue:' .. queue, 0, -1)) do add(id, 'queued') end
  for _, id in ipairs(redis.call('LRANGE', prefix .. ':queue:' .. queue .. ':intermediate', 0, -1)) do add(id, 'queued') end
  for _, member in ipairs(redis.call('ZRANGE', prefix .. ':wip:' .. queue, 0, -1)) do
    add(string.match(member, '^(.*):'), 'started')
  end
  for _, registry in ipairs({ 'finished', 'failed', 'scheduled', 'deferred', 'canceled', 'unreadable' }) do
    for _, id in ipairs(redis.call('ZRANGE', prefix .. ':' .. registry .. ':' .. queue, 0, -1)) do add(id, registry) end
  end
end
for n = 0, accepted - 1 do
  local id = 'j' .. n
  local status = redis.call('HGET', prefix .. ':job:' .. id, 'status')
  if locations[id] ~= status then
    violations[#violations + 1] = id .. ': status ' .. tostring(status) .. ', place ' .. tostring(locations[id])
  end
end
return violations";

/// Sends a command until Redis answers it.
fn query<T: redis::FromRedisValue>(url: &str, build: impl Fn() -> redis::Cmd) -> T {
    for _ in 0..500 {
        let connection = redis::Client::open(url).unwrap().get_connection();
        if let Ok(mut connection) = connection
            && let Ok(answer) = build().query(&mut connection)
        {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("Redis does not answer the checker");
}

pub(crate) fn find_violations(url: &str, accepted: usize) -> Vec<String> {
    query(url, || {
        let mut command = redis::cmd("EVAL");
        command.arg(FIND_VIOLATIONS).arg(0).arg(PREFIX).arg(accepted).arg(&QUEUES);
        command
    })
}

/// Once all jobs have ended: keys of executions that still exist, and results that are missing.
pub(crate) fn find_leftovers(url: &str, jobs: usize) -> Vec<String> {
    let count = |pattern: &str| {
        let keys: Vec<String> = query(url, || {
            let mut command = redis::cmd("KEYS");
            command.arg(format!("{PREFIX}:{pattern}"));
            command
        });
        keys.len()
    };
    let results = count("results:*");
    let expected = if std::env::var("RQ_RS_DIALECT").is_ok_and(|dialect| dialect == "rq") { jobs } else { 0 };
    let mut found = Vec::new();
    found.extend((results != expected).then(|| format!("{results} results of {expected}")));
    let executions = count("execution*:*");
    found.extend((executions > 0).then(|| format!("{executions} keys of executions")));
    found
}

fn count_ended(url: &str) -> usize {
    let registries = QUEUES
        .iter()
        .flat_map(|queue| ["finished", "failed"].map(|registry| format!("{PREFIX}:{registry}:{queue}")));
    registries
        .map(|key| {
            query::<usize>(url, || {
                let mut command = redis::cmd("ZCARD");
                command.arg(&key);
                command
            })
        })
        .sum()
}

/// Waits until all jobs have ended, or none has for `max_standstill`. Returns how many have ended.
pub(crate) fn wait_for_all(url: &str, jobs: usize, max_standstill: Duration) -> usize {
    let (mut last, mut changed_at) = (count_ended(url), Instant::now());
    while last < jobs && changed_at.elapsed() < max_standstill {
        std::thread::sleep(Duration::from_millis(100));
        let now = count_ended(url);
        if now != last {
            (last, changed_at) = (now, Instant::now());
        }
    }
    last
}
