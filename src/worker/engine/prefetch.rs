//! Prefetch: claiming more short jobs than there are free slots, so that a slot which ends a job has the next one
//! at once instead of after an exchange. A prefetched job that waits for too long is put back, so that another
//! worker may claim it.

use std::time::{Duration, Instant};

use super::claims::INITIAL_RUN_TIME;
use super::{Action, Engine, Now};
use crate::job::Outcome;
use crate::worker::run::RunId;

/// Longest mean run time with which jobs are prefetched.
const PREFETCH_MAX_RUN_TIME: Duration = Duration::from_millis(10);
/// Longest time that a prefetched job waits for a slot.
pub(crate) const MAX_PREFETCH_WAIT: Duration = Duration::from_millis(20);

impl Engine {
    /// Number of jobs that may wait for a slot.
    pub(super) fn prefetch_limit(&self) -> usize {
        let is_worth_it = self.can_overlap_exchanges() && self.claims.mean_run_time <= PREFETCH_MAX_RUN_TIME;
        if is_worth_it { self.config.options.concurrency } else { 0 }
    }

    /// The moment at which the first prefetched job has waited for too long.
    pub(super) fn recall_at(&self) -> Option<Instant> {
        self.runs.slots.waiting_since().map(|since| since + MAX_PREFETCH_WAIT)
    }

    /// Recalls the prefetched jobs when they have waited for too long.
    pub(super) fn recall_overdue(&mut self, now: Now) {
        if self.recall_at().is_some_and(|at| at <= now.instant) {
            self.runs.slots.restart_waits(now.instant);
            self.actions.push_back(Action::Recall);
        }
    }

    /// Puts recalled jobs back into their queues, and stops prefetching until jobs are known to be short again.
    pub(super) fn on_recalled(&mut self, now: Now, recalled: Vec<RunId>) {
        if recalled.is_empty() {
            return;
        }
        for run in recalled {
            self.claims.begun = self.claims.begun.saturating_sub(1);
            self.end_run(now, run, Outcome::NotBegun);
        }
        self.claims.mean_run_time = INITIAL_RUN_TIME;
    }
}
