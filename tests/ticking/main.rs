//! Keeps cron entries by a clock that a test moves: what `tests/behaviour/cron.rs` kills.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use chrono::DateTime;
use rq_rs::testing::CronClock;
use rq_rs::{Catchup, Cron, NewJob, Queue};

fn main() {
    let word = |n| std::env::args().nth(n).unwrap();
    let (url, clock_key) = (word(1), word(2));
    let entry = |name: &str, schedule: &str| {
        Cron::new(name, schedule, NewJob::new("noop", ()))
            .tz("Europe/Berlin")
            .queue(name)
            .catchup(Catchup::All)
    };
    let entries =
        [entry("minutes", "* * * * *"), entry("nights", "30 2 * * *"), entry("intervals", "every 7m")];
    let queue = Queue::connect(&url, "default").unwrap();
    let mut clock = CronClock::new(&queue, entries).unwrap();
    let mut redis = redis::Client::open(url).unwrap().get_connection().unwrap();
    loop {
        let now: Option<i64> = redis::cmd("GET").arg(&clock_key).query(&mut redis).unwrap();
        let Some(now) = now else { return };
        clock.turn_to(DateTime::from_timestamp(now, 0).unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}
