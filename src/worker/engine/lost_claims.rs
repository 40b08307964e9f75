//! The worker's own claims whose reply was lost. Redis may have carried them out: their jobs then have leases, and only
//! this worker can know that no run of them has begun.

use std::time::{Duration, Instant};

use crate::claim::ExecutionRange;

/// Delay before a worker without other work looks again for jobs of lost claims, when Redis could not be queried.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The lost claims of a worker.
#[derive(Default)]
pub(super) struct LostClaims {
    /// The executions of each claim, and the time when its reply was lost.
    claims: Vec<(ExecutionRange, Instant)>,
    /// `true` if the jobs of all claims were looked up after the last reply was lost.
    are_reclaimed: bool,
    is_fetching: bool,
    /// The earliest moment for the next look by a worker without other work.
    retry_at: Option<Instant>,
}

impl LostClaims {
    pub(super) fn add(&mut self, executions: ExecutionRange, now: Instant) {
        self.are_reclaimed = false;
        let is_extension = self.claims.last_mut().is_some_and(|(last, lost_at)| {
            *lost_at = now;
            last.try_extend(&executions)
        });
        if !is_extension {
            self.claims.push((executions, now));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    pub(super) fn are_reclaimed(&self) -> bool {
        self.are_reclaimed || self.claims.is_empty()
    }

    pub(super) fn is_fetching(&self) -> bool {
        self.is_fetching
    }

    /// Begins a look for the jobs of these claims, and returns their executions. Claims whose leases have expired are
    /// dropped: recovery gives their jobs to any worker.
    pub(super) fn begin_fetch(&mut self, lease: Duration, now: Instant) -> Vec<ExecutionRange> {
        self.claims.retain(|(_, lost_at)| now.saturating_duration_since(*lost_at) < lease);
        (self.is_fetching, self.are_reclaimed, self.retry_at) = (true, true, None);
        self.claims.iter().map(|(executions, _)| executions.clone()).collect()
    }

    /// Ends a look. After a failed one, the next reply of Redis leads to another one.
    pub(super) fn end_fetch(&mut self, is_success: bool, now: Instant) {
        self.is_fetching = false;
        self.are_reclaimed &= is_success;
        self.retry_at = (!is_success).then(|| now + RETRY_DELAY);
    }

    /// The moment of the next look by a worker without other work; `None` for at once.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn clear(&mut self) {
        self.claims.clear();
    }
}
