//! Maintenance: due jobs, expired leases and orphaned ids, which each worker looks after for all.

use super::super::clock::{MILLISECOND, Micros, SECOND, micros, now_at, utc_at};
use super::super::coverage::Mark;
use super::super::defect::Defect;
use super::super::events::WorldEvent;
use super::super::ledger::{Check, number_of};
use super::super::model::Place;
use super::World;
use crate::completion::Completion;
use crate::finish;
use crate::recover::complete_lost;

impl World<'_> {
    /// Time until a task is due again.
    fn next_due(&mut self, worker: usize, interval: Micros) -> Micros {
        let factor = 0.6 + 0.3 * self.processes[worker].rng.f64();
        self.now + (interval as f64 * factor) as Micros
    }

    pub(super) fn on_promote(&mut self, worker: usize) {
        let due = self.next_due(worker, SECOND);
        self.events.add(due, WorldEvent::Promote(worker));
        if !self.redis.is_up || self.has_defect(Defect::NobodyPromotes) {
            return;
        }
        for queue in 0..self.plan.queues {
            let promoted = self.redis.model.promote_due(queue, utc_at(self.now));
            self.redis.ledger.coverage.add(Mark::Promoted, promoted as u64);
        }
    }

    /// Other workers may have been unable to renew their leases.
    fn is_recovery_on_hold(&self, worker: usize) -> bool {
        if self.has_defect(Defect::RecoveryIsNeverOnHold) {
            return false;
        }
        let process = &self.processes[worker];
        let lease = micros(process.lease());
        process.heartbeat_failed_at.is_some_and(|at| self.now < at + lease) || self.redis.uptime() < lease
    }

    pub(super) fn on_recover(&mut self, worker: usize) -> Check {
        let interval = self.processes[worker].plan.recover_interval;
        let due = self.next_due(worker, interval);
        self.events.add(due, WorldEvent::Recover(worker));
        if !self.redis.is_up || self.has_defect(Defect::NobodyRecovers) {
            return Ok(());
        }
        if self.is_recovery_on_hold(worker) {
            self.count(Mark::RecoveryOnHold);
            return Ok(());
        }
        let options = &self.processes[worker].options;
        let limits = (options.max_deliveries, options.retention());
        let mut completions = Vec::new();
        for queue in 0..self.plan.queues {
            for (member, fields) in self.redis.model.expired_leases(queue) {
                self.redis.ledger.check_expired(&member, self.plan.dialect.integer_scores)?;
                let mut completion =
                    complete_lost(&member, &fields, limits, self.plan.dialect, utc_at(self.now));
                completion.queue = queue;
                completions.push(completion);
            }
        }
        if !completions.is_empty() {
            finish::sort_for_batches(&mut completions);
            let process = &mut self.processes[worker];
            let delay = if process.rng.u8(..8) == 0 { 300 * MILLISECOND } else { process.latency() };
            self.events.add(self.now + delay, WorldEvent::RecoverFinishes(worker, completions));
        }
        Ok(())
    }

    pub(super) fn on_recover_finishes(&mut self, worker: usize, completions: Vec<Completion>) -> Check {
        if !self.redis.is_up {
            return Ok(());
        }
        for batch in finish::batches(&completions) {
            self.redis.finish(batch, Some(worker))?;
        }
        Ok(())
    }

    pub(super) fn on_put_back_orphans(&mut self, worker: usize) -> Check {
        let interval = self.processes[worker].plan.recover_interval;
        let due = self.next_due(worker, interval);
        self.events.add(due, WorldEvent::PutBackOrphans(worker));
        if !self.redis.is_up || self.has_defect(Defect::OrphansStay) {
            return Ok(());
        }
        let orphan_after = self.plan.dialect.orphan_after;
        for queue in 0..self.plan.queues {
            let listed = self.redis.model.ids(queue, Place::Intermediate);
            let listed: Vec<Vec<u8>> = listed.iter().map(|id| id.as_bytes().to_vec()).collect();
            let tracker = &mut self.processes[worker].orphans[queue];
            let orphans = tracker.update(listed, orphan_after, now_at(self.now).instant);
            for id in orphans.iter().map(|id| String::from_utf8_lossy(id)) {
                if self.redis.model.put_back_orphaned_ids(queue, &[&id]) > 0 {
                    self.redis.ledger.on_orphan(number_of(&id), micros(orphan_after))?;
                }
            }
        }
        Ok(())
    }
}
