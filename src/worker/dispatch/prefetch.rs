//! Prefetch: claiming more short jobs than there are free slots, so that a slot which ends a job has the next one
//! at once instead of after an exchange. A prefetched job that waits for too long is put back, so that another
//! worker may claim it.

use std::time::Duration;

use super::dispatcher::{Dispatcher, INITIAL_RUN_TIME};
use crate::job::Outcome;

/// Longest mean run time with which jobs are prefetched.
const PREFETCH_MAX_RUN_TIME: Duration = Duration::from_millis(10);
/// Longest time that a prefetched job waits for a slot.
pub(super) const MAX_PREFETCH_WAIT: Duration = Duration::from_millis(20);

impl Dispatcher {
    /// Number of jobs that may wait for a slot.
    pub(super) fn prefetch_limit(&self) -> usize {
        let is_worth_it = self.can_overlap_exchanges() && self.mean_run_time <= PREFETCH_MAX_RUN_TIME;
        if is_worth_it { self.worker.options.concurrency } else { 0 }
    }

    pub(super) fn observe_run_time(&mut self, took: Duration) {
        self.mean_run_time = (self.mean_run_time * 7 + took) / 8;
    }

    /// Puts the prefetched jobs back into their queues when they have waited for too long, and stops prefetching until
    /// jobs are known to be short again.
    pub(super) fn put_back_overdue_prefetch(&mut self) {
        if !self.pool.has_prefetched() {
            return;
        }
        let recalled = self.pool.recall_overdue(MAX_PREFETCH_WAIT);
        if recalled.is_empty() {
            return;
        }
        for run_id in recalled {
            self.runs_begun = self.runs_begun.saturating_sub(1);
            self.end_run(run_id, Outcome::NotBegun);
        }
        self.mean_run_time = INITIAL_RUN_TIME;
    }
}
