//! The invariants, on one atomic snapshot, in a script of its own: every accepted job is in exactly
//! one place, and its status agrees with it.

use std::time::{Duration, Instant};

use crate::{PREFIX, QUEUES};

const SNAPSHOT: &str = r"
local prefix, accepted = ARGV[1], tonumber(ARGV[2])
local homes, found = {}, {}
local function add(id, home)
  homes[id] = homes[id] and (homes[id] .. '+' .. home) or home
end
for i = 3, #ARGV do
  local queue = ARGV[i]
  for _, id in ipairs(redis.call('LRANGE', prefix .. ':queue:' .. queue, 0, -1)) do add(id, 'queued') end
  for _, id in ipairs(redis.call('LRANGE', prefix .. ':queue:' .. queue .. ':intermediate', 0, -1)) do add(id, 'queued') end
  for _, member in ipairs(redis.call('ZRANGE', prefix .. ':wip:' .. queue, 0, -1)) do
    add(string.match(member, '^(.*):'), 'started')
  end
  for _, home in ipairs({ 'finished', 'failed', 'scheduled', 'deferred', 'canceled', 'unreadable' }) do
    for _, id in ipairs(redis.call('ZRANGE', prefix .. ':' .. home .. ':' .. queue, 0, -1)) do add(id, home) end
  end
end
for n = 0, accepted - 1 do
  local id = 'j' .. n
  local status = redis.call('HGET', prefix .. ':job:' .. id, 'status')
  if homes[id] ~= status then
    found[#found + 1] = id .. ': status ' .. tostring(status) .. ', place ' .. tostring(homes[id])
  end
end
return found";

fn ask<T: redis::FromRedisValue>(url: &str, build: impl Fn() -> redis::Cmd) -> T {
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

pub(crate) fn violations(url: &str, accepted: usize) -> Vec<String> {
    ask(url, || {
        let mut command = redis::cmd("EVAL");
        command.arg(SNAPSHOT).arg(0).arg(PREFIX).arg(accepted).arg(&QUEUES);
        command
    })
}

/// Once all have ended: runs that nobody cleared away, and results that nobody wrote.
pub(crate) fn left_over(url: &str, jobs: usize) -> Vec<String> {
    let count = |pattern: &str| {
        let keys: Vec<String> = ask(url, || {
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
    let runs = count("execution*:*");
    found.extend((runs > 0).then(|| format!("{runs} keys of runs")));
    found
}

fn ended(url: &str) -> usize {
    let places =
        QUEUES.iter().flat_map(|queue| ["finished", "failed"].map(|home| format!("{PREFIX}:{home}:{queue}")));
    places
        .map(|key| {
            ask::<usize>(url, || {
                let mut command = redis::cmd("ZCARD");
                command.arg(&key);
                command
            })
        })
        .sum()
}

/// Waits until all have ended, or nothing has moved for a long time.
pub(crate) fn wait_for_all(url: &str, jobs: usize, standstill: Duration) -> usize {
    let (mut last, mut moved) = (ended(url), Instant::now());
    while last < jobs && moved.elapsed() < standstill {
        std::thread::sleep(Duration::from_millis(100));
        let now = ended(url);
        if now != last {
            (last, moved) = (now, Instant::now());
        }
    }
    last
}
