//! Recovery of lost claims. Only the worker that sent a claim can know that nobody runs its jobs: it returns
//! them to their queues as soon as Redis can be used, and nobody has to wait until their leases expire.

use chrono::Utc;

use super::dispatcher::{Dispatcher, WorkerShared};
use crate::claim::{self, ClaimedJob};
use crate::error::Result;
use crate::worker::event::Event;
use crate::worker::stop::Phase;

impl Dispatcher {
    /// Warns at the end of the worker that jobs of lost claims may wait for their leases.
    pub(super) fn warn_of_lost_claims(&self) {
        if !self.lost_claims.is_empty() {
            let lease = self.worker.options.lease().as_secs();
            self.emit(Event::Warning(format!(
                "the answer to the last claim was lost: jobs that it has started run again, by any worker, \
                 when their leases of {lease} s have passed"
            )));
        }
    }

    /// Returns the jobs of lost claims to their queues, once after each loss. Called when Redis has replied again.
    pub(super) fn reclaim_lost_claims(&mut self) {
        if !self.lost_claims.are_recovered() {
            self.return_jobs_of_lost_claims();
        }
    }

    /// Looks for jobs of lost claims a last time before the worker ends: Redis may read a command late that was sent
    /// before its connection broke. Returns false when there were such jobs, or they could not be looked up; the
    /// worker must not end then. While Redis is away, or the worker terminates, it returns true.
    pub(super) fn settle_lost_claims(&mut self) -> bool {
        let must_not_wait = self.backoff.is_in_outage() || self.worker.stopper.phase() == Phase::Terminating;
        if self.lost_claims.is_empty() || must_not_wait {
            return true;
        }
        let is_settled = self.return_jobs_of_lost_claims() && self.outbox.completions.is_empty();
        if is_settled {
            self.lost_claims.clear();
        }
        is_settled
    }

    /// Returns whether Redis could be asked.
    fn return_jobs_of_lost_claims(&mut self) -> bool {
        match self.fetch_jobs_of_lost_claims() {
            Ok(jobs) => {
                self.lost_claims.mark_recovered();
                let completions = &self.outbox.completions;
                let is_known = |job: &ClaimedJob| {
                    let member = job.lease_member();
                    completions.iter().any(|completion| completion.lease_member() == member)
                };
                let unknown = jobs.into_iter().filter(|job| !is_known(job)).collect();
                self.put_back(unknown);
                true
            }
            Err(error) => {
                log::debug!(target: "rq_rs", "jobs of a lost claim cannot be looked for: {error}");
                false
            }
        }
    }

    fn fetch_jobs_of_lost_claims(&mut self) -> Result<Vec<ClaimedJob>> {
        let WorkerShared { client, queues, options, .. } = &self.worker;
        let executions = self.lost_claims.drop_expired(options.lease());
        if executions.is_empty() {
            return Ok(Vec::new());
        }
        claim::fetch_unacknowledged(client, queues, (&options.name, &executions), Utc::now())
    }
}
