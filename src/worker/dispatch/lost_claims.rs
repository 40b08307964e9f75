//! Claims whose answer was lost. Redis may have started jobs for them that this worker knows nothing of. It is the
//! one who can know whose they are, so it puts them back as soon as Redis is there, instead of letting everybody
//! wait until their leases have passed.

use std::time::Instant;

use chrono::Utc;

use super::Dispatcher;
use crate::claim::{self, ExecutionRange};
use crate::job::Outcome;
use crate::worker::event::Event;
use crate::worker::stop::Phase;

#[derive(Default)]
pub(super) struct LostClaims {
    claims: Vec<(ExecutionRange, Instant)>,
    /// Whether they were looked for since the last one was lost.
    were_sought: bool,
}

impl LostClaims {
    pub(super) fn add(&mut self, claim: ExecutionRange) {
        self.were_sought = false;
        let is_joined = self.claims.last_mut().is_some_and(|(last, at)| {
            *at = Instant::now();
            last.try_extend(&claim)
        });
        if !is_joined {
            self.claims.push((claim, Instant::now()));
        }
    }
}

impl Dispatcher {
    /// The worker ends without having heard of Redis what its lost claims have started, if they have started any.
    pub(super) fn tell_lost_claims(&self) {
        if !self.lost_claims.claims.is_empty() {
            let lease = self.worker.options.lease().as_secs();
            self.tell(Event::Warning(format!(
                "the answer to the last claim was lost: jobs that it has started run again, by any worker, \
                 when their leases of {lease} s have passed"
            )));
        }
    }

    /// Redis has answered again: what the lost claims have started goes back to its queue.
    pub(super) fn seek_lost_claims(&mut self) {
        if !self.lost_claims.were_sought {
            self.put_back_lost_claims();
        }
    }

    /// A last look before the worker leaves: Redis may have read a command late that was sent before its connection
    /// broke. Returns false when something was found, or could not be looked for: then the worker stays.
    pub(super) fn settle_lost_claims(&mut self) -> bool {
        let is_away = self.outage.is_going_on() || self.worker.stopper.phase() == Phase::Terminating;
        if self.lost_claims.claims.is_empty() || is_away {
            return true;
        }
        let is_settled = self.put_back_lost_claims() && self.outbox.endings.is_empty();
        if is_settled {
            self.lost_claims.claims.clear();
        }
        is_settled
    }

    /// Returns whether Redis said what there is.
    fn put_back_lost_claims(&mut self) -> bool {
        let lease = self.worker.options.lease();
        // Others have taken over what is older.
        self.lost_claims.claims.retain(|(_, lost_at)| lost_at.elapsed() < lease);
        let claims: Vec<ExecutionRange> =
            self.lost_claims.claims.iter().map(|(claim, _)| claim.clone()).collect();
        let (client, name) = (&self.worker.client, &self.worker.options.name);
        let started = match claims.is_empty() {
            true => Ok(Vec::new()),
            false => claim::fetch_unacknowledged(client, &self.worker.queues, (name, &claims), Utc::now()),
        };
        match started {
            Ok(started) => {
                self.lost_claims.were_sought = true;
                let is_known = |member: &String| {
                    self.outbox.endings.iter().any(|ending| ending.lease_member() == *member)
                };
                let unknown = started.into_iter().filter(|running| !is_known(&running.lease_member()));
                let unknown: Vec<_> = unknown.collect();
                let pace = self.pace;
                // The youngest first, so that the eldest is at the head.
                unknown.into_iter().rev().for_each(|running| self.conclude(running, Outcome::NotStarted));
                self.pace = pace;
                true
            }
            Err(error) => {
                log::debug!(target: "rq_rs", "jobs of a lost claim cannot be looked for: {error}");
                false
            }
        }
    }
}
