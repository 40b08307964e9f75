//! What was done, counted: for each queue and handler, by minute and by day, in a fixed space in Redis. Workers
//! gather ([`Tally`]) and write with their heartbeat; others read ([`series`]).

mod counters;
mod series;

use std::time::Duration;

pub(crate) use counters::{RunCounters, RunResult};
pub(crate) use series::{Counts, Series, fetch_handler_series, fetch_series, sum};

/// How many minutes and days a series remembers.
const MINUTES: i64 = 180;
const DAYS: i64 = 90;
/// How long a series outlives its last news.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// How many handlers of a queue have series of their own; those beyond share one.
const HANDLERS: usize = 200;

/// The upper ends of the buckets of run times, in seconds; one more is for what took longer.
pub(crate) const BUCKETS: [f64; 15] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0, 1800.0];
