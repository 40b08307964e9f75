//! Statistics of runs: counts by queue and handler, by minute and by day, in bounded space in Redis. Workers count
//! ([`counters`]) and write with their heartbeat; everything else reads ([`series`]).

mod counters;
mod series;

use std::time::Duration;

pub(crate) use counters::{RunCounters, RunResult};
pub(crate) use series::{Counts, Series, add_each, fetch_handler_series, fetch_series, sum};

/// Number of minutes in a series.
pub(crate) const MINUTES: i64 = 180;
/// Number of days in a series.
pub(crate) const DAYS: i64 = 90;
/// Time for which Redis keeps a series after the last run.
const SERIES_TTL: Duration = Duration::from_secs(90 * 86_400);
/// Number of handlers of a queue with a series of their own. Further handlers share one.
const MAX_HANDLERS: usize = 200;

/// Upper ends of the buckets of run times in seconds. One more bucket is for longer runs.
pub(crate) const BUCKETS: [f64; 15] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0, 1800.0];
