//! Claims whose reply was lost: Redis may have started jobs that this worker knows nothing of.

use std::time::{Duration, Instant};

use crate::claim::ExecutionRange;

#[derive(Default)]
pub(super) struct LostClaims {
    /// The executions that each claim may have started, and the time when its reply was lost.
    claims: Vec<(ExecutionRange, Instant)>,
    /// The jobs of all claims were looked up since the last reply was lost.
    are_recovered: bool,
}

impl LostClaims {
    pub(super) fn add(&mut self, executions: ExecutionRange) {
        self.are_recovered = false;
        let is_extension = self.claims.last_mut().is_some_and(|(last, lost_at)| {
            *lost_at = Instant::now();
            last.try_extend(&executions)
        });
        if !is_extension {
            self.claims.push((executions, Instant::now()));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    pub(super) fn are_recovered(&self) -> bool {
        self.are_recovered
    }

    pub(super) fn mark_recovered(&mut self) {
        self.are_recovered = true;
    }

    /// Drops the claims whose leases have expired, and returns the executions of the others.
    pub(super) fn drop_expired(&mut self, lease: Duration) -> Vec<ExecutionRange> {
        self.claims.retain(|(_, lost_at)| lost_at.elapsed() < lease);
        self.claims.iter().map(|(executions, _)| executions.clone()).collect()
    }

    pub(super) fn clear(&mut self) {
        self.claims.clear();
    }
}
