//! Causes of a lease that runs out. A worker that lives, reaches Redis and is not frozen renews its leases; so recovery
//! takes none of them.

use super::super::clock::{MAX_TIME_OF_ERROR, Micros, SECOND};
use super::super::coverage::Mark;
use super::{Check, Execution, Ledger, RedisOutage, WorkerTruth, hold};
use crate::worker::phase::Phase;

/// Time in which a worker renews its leases after an outage.
const RENEWAL: Micros = 3 * SECOND;

impl Ledger {
    /// Returns the cause for which the lease of an execution has run out; `None` if there is none.
    pub(super) fn excuse(&self, execution: usize, recoverer: usize) -> Option<Mark> {
        let run = &self.executions[execution];
        let worker = &self.workers[run.worker];
        if !worker.is_alive {
            return Some(Mark::RecoveredOfLostWorker);
        }
        if worker.is_frozen || worker.thawed_at > run.renewed_at {
            return Some(Mark::RecoveredOfFrozenWorker);
        }
        if worker.heartbeat_fault_at.is_some_and(|at| at > run.renewed_at) {
            return Some(Mark::RecoveredOfCutWorker);
        }
        let is_excused = |outage: &&RedisOutage| self.is_excused_by(outage, run, &self.workers[recoverer]);
        if self.outages.iter().any(|outage| is_excused(&outage)) {
            return Some(Mark::RecoveredAfterOutage);
        }
        if !run.is_delivered {
            return self.excuse_of_lost_claim(run, worker);
        }
        let is_unsaved = run.end.is_some() || run.is_abandoned || !run.is_started;
        let has_trouble = worker.exchange_error_at.is_some_and(|at| at + self.lease + RENEWAL > self.now)
            || worker.backs_off_until > run.renewed_at;
        (is_unsaved && has_trouble).then_some(Mark::RecoveredUnsaved)
    }

    /// Returns whether an outage let the lease run out, and the recovering worker could not know of it.
    fn is_excused_by(&self, outage: &RedisOutage, run: &Execution, recoverer: &WorkerTruth) -> bool {
        if outage.until <= run.renewed_at || outage.until + self.lease + RENEWAL < self.now {
            return false;
        }
        let is_short = outage.until - outage.from < self.lease / 3 + SECOND + MAX_TIME_OF_ERROR;
        let is_blind = recoverer.started_at >= outage.from || recoverer.thawed_at > outage.from || is_short;
        let knows_uptime = outage.is_restart && self.now < outage.until + self.lease - SECOND;
        is_blind && !knows_uptime
    }

    /// A lost claim that its worker can find is never left to recovery.
    fn excuse_of_lost_claim(&self, run: &Execution, worker: &WorkerTruth) -> Option<Mark> {
        // After a reply the worker looks for the jobs, unless their leases have passed, and then puts them back with the
        // next exchange.
        let chance = worker.looked_up_at.max(worker.reply_at).filter(|at| *at > run.claimed_at);
        let is_too_old = chance.is_some_and(|at| at >= run.claimed_at + self.lease);
        let had_trouble = worker.exchange_error_at >= chance || worker.backs_off_until > chance.unwrap_or(0);
        let is_excused = run.is_late
            || worker.phase == Phase::Terminating
            || chance.is_none()
            || is_too_old
            || had_trouble;
        is_excused.then_some(Mark::LostClaimExpired)
    }

    /// An orphaned id was put back.
    pub(in crate::worker::simulation) fn on_orphan(&mut self, number: usize, orphan_after: Micros) -> Check {
        self.coverage.count(Mark::OrphanPutBack);
        let Some((worker, at)) = self.jobs[number].popped else { return Ok(()) };
        let health = &self.workers[worker];
        let trouble_at = [health.exchange_error_at, Some(health.thawed_at), Some(health.backs_off_until)];
        let has_trouble = trouble_at.into_iter().flatten().any(|trouble_at| trouble_at >= at);
        // An id that has left the list and come back is put back early.
        let is_early = self.now < at + orphan_after;
        let is_excused =
            self.jobs[number].has_copies || !health.is_alive || health.is_frozen || has_trouble || is_early;
        hold(is_excused, "an id that a worker has popped is claimed or put back", || {
            format!("j{number}, popped by worker {worker} at {at}: {health:?}")
        })
    }
}
