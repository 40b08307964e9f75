//! Reclaiming: jobs of lost claims are put back as soon as Redis replies again, so that nobody has to wait until their
//! leases expire.

use std::time::Instant;

use super::{Action, Engine, Now};
use crate::claim::ClaimedJob;
use crate::error::Result;
use crate::worker::event::Event;

impl Engine {
    /// Looks for jobs of lost claims. Called when Redis has replied after a reply was lost.
    pub(super) fn reclaim(&mut self, now: Now) {
        if !self.claims.lost.are_reclaimed() {
            self.fetch_lost_claims(now);
        }
    }

    /// Looks for jobs of lost claims a last time when there is no other work: Redis may read a command late that was
    /// sent before its connection broke.
    pub(super) fn settle_lost_claims(&mut self, now: Now) {
        let may_retry = self.claims.lost.retry_at().is_none_or(|at| at <= now.instant);
        if self.is_settling() && may_retry {
            self.fetch_lost_claims(now);
        }
    }

    /// Returns `true` for a worker that is about to end, because it drains or found no more jobs, and waits only until
    /// lost claims have no jobs left.
    fn is_settling(&self) -> bool {
        let is_done = self.life.is_draining() || (self.config.options.burst && !self.claims.is_ready());
        is_done && self.has_no_work() && self.must_settle_lost_claims()
    }

    /// The moment of the next look by a worker that settles its lost claims.
    pub(super) fn settle_at(&self) -> Option<Instant> {
        self.claims.lost.retry_at().filter(|_| self.is_settling())
    }

    fn fetch_lost_claims(&mut self, now: Now) {
        if self.claims.lost.is_fetching() {
            return;
        }
        let executions = self.claims.lost.begin_fetch(self.config.options.lease(), now.instant);
        if executions.is_empty() {
            return self.claims.lost.end_fetch(true, now.instant);
        }
        self.actions.push_back(Action::FetchLostClaims(executions));
    }

    /// Puts the jobs of lost claims back, except those whose completions wait in the outbox or are in flight. The claims
    /// of a worker without other work are settled when none of their jobs is left.
    pub(super) fn on_lost_claims_fetched(&mut self, now: Now, result: Result<Vec<ClaimedJob>>) {
        self.claims.lost.end_fetch(result.is_ok(), now.instant);
        let jobs = match result {
            Ok(jobs) => jobs,
            Err(error) => {
                log::debug!(target: "rq_rs", "jobs of a lost claim cannot be looked for: {error}");
                return;
            }
        };
        let has_ended = |job: &ClaimedJob| {
            let member = job.lease_member();
            let in_flight = self.link.exchanges().iter().flat_map(|exchange| &exchange.batch.completions);
            let mut completions = self.outbox.completions().iter().chain(in_flight);
            completions.any(|completion| completion.lease_member() == member)
        };
        let not_begun: Vec<ClaimedJob> = jobs.into_iter().filter(|job| !has_ended(job)).collect();
        self.put_back(now, not_begun);
        if self.is_settling() && self.claims.lost.are_reclaimed() {
            self.claims.lost.clear();
        }
    }

    /// Returns `true` while lost claims may have jobs that can be reclaimed. While Redis is away, or the worker
    /// terminates, the leases have to expire.
    pub(super) fn must_settle_lost_claims(&self) -> bool {
        !self.claims.lost.is_empty() && !self.link.backoff.is_in_outage() && !self.life.is_terminating()
    }

    /// Warns at the end of the worker that jobs of lost claims may wait for their leases.
    pub(super) fn warn_of_lost_claims(&mut self) {
        if !self.claims.lost.is_empty() {
            let lease = self.config.options.lease().as_secs();
            self.emit(Event::Warning(format!(
                "the answer to the last claim was lost: jobs that it has started run again, by any worker, \
                 when their leases of {lease} s have passed"
            )));
        }
    }
}
