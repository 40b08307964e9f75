//! How often a job that has finished runs again.

use std::time::Duration;

use super::times::whole_seconds;

/// How many intervals are kept.
const MOST: usize = 1000;

/// A job that finished runs again, so many times, after intervals. RQ's `Repeat`.
///
/// One that fails for good is not repeated. Between its runs it is scheduled, with the result of the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    times: u32,
    intervals: Vec<u64>,
}

impl Repeat {
    /// So many more times (at least once), each after the same interval in whole seconds (rounded up; zero: at once).
    pub fn every(interval: Duration, times: u32) -> Self {
        Self::list([interval], times)
    }

    /// So many more times, after these intervals; the last one is for all others, which is RQ's rule.
    pub fn list(intervals: impl IntoIterator<Item = Duration>, times: u32) -> Self {
        let mut intervals: Vec<u64> = intervals.into_iter().take(MOST).map(whole_seconds).collect();
        if intervals.is_empty() {
            intervals.push(0);
        }
        Repeat { times: times.max(1), intervals }
    }

    pub(crate) fn times(&self) -> u32 {
        self.times
    }

    pub(crate) fn intervals(&self) -> &[u64] {
        &self.intervals
    }
}
