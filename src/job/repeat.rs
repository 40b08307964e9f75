//! Repetition of jobs that finished.

use std::time::Duration;

use super::times::whole_seconds;

/// Largest number of intervals.
const MAX_INTERVALS: usize = 1000;

/// Repetition of a job: the number of further runs after it finished, and the intervals before them. RQ's
/// `Repeat`.
///
/// A job that fails for good is not repeated. Between its runs the job is scheduled, and keeps the result
/// of the last run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    times: u32,
    intervals: Vec<u64>,
}

impl Repeat {
    /// Runs the job `times` more times (at least once), each after the same interval. The interval is
    /// rounded up to whole seconds; zero means at once.
    pub fn every(interval: Duration, times: u32) -> Self {
        Self::list([interval], times)
    }

    /// Runs the job `times` more times (at least once), after these intervals in whole seconds (rounded up,
    /// at most 1000 of them). The last interval serves for all further runs, which is RQ's rule.
    pub fn list(intervals: impl IntoIterator<Item = Duration>, times: u32) -> Self {
        let mut intervals: Vec<u64> = intervals.into_iter().take(MAX_INTERVALS).map(whole_seconds).collect();
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
