//! Heartbeats: a thread of each worker that renews its leases.

use super::super::clock::{Micros, SECOND, micros};
use super::super::coverage::Mark;
use super::super::events::WorldEvent;
use super::super::ledger::Check;
use super::super::redis::Sender;
use super::World;
use crate::worker::input::Input;

/// Interval of heartbeats while jobs run, as in the heartbeat of the product.
const LEASE_CHECK_INTERVAL: Micros = 2 * SECOND;

impl World<'_> {
    pub(super) fn on_heartbeat_tick(&mut self, worker: usize) {
        let process = &mut self.processes[worker];
        let interval = micros(process.lease()) / 3;
        self.events.add(self.now + interval.min(SECOND), WorldEvent::HeartbeatTick(worker));
        let due = if process.leases.is_empty() { interval } else { interval.min(LEASE_CHECK_INTERVAL) };
        if process.heartbeat.is_some() || self.now < process.heartbeat_at + due {
            return;
        }
        let leases = process.leases.iter().map(|(member, (queue, _))| (*queue, member.clone()));
        process.heartbeat = Some(leases.collect());
        let delay = process.latency();
        self.events.add(self.now + delay, WorldEvent::HeartbeatArrives(worker));
    }

    pub(super) fn on_heartbeat_arrives(&mut self, worker: usize) -> Check {
        let process = &mut self.processes[worker];
        let Some(leases) = process.heartbeat.take() else { return Ok(()) };
        let number = process.heartbeats;
        process.heartbeats += 1;
        let is_planned = self.lookup.fails(process.plan.number, number);
        if !self.redis.is_up || is_planned {
            if is_planned {
                self.redis.ledger.workers[worker].heartbeat_fault_at = Some(self.now);
            }
            self.count(Mark::HeartbeatFailed);
            let delay = self.processes[worker].time_of_error();
            self.events.add(self.now + delay, WorldEvent::HeartbeatReturns(worker, false, Vec::new()));
            return Ok(());
        }
        let process = &mut self.processes[worker];
        let sender = Sender { worker, name: &process.name, lease: process.options.lease(), is_late: false };
        let lost = self.redis.renew(&sender, &leases)?;
        let delay = self.processes[worker].latency();
        self.events.add(self.now + delay, WorldEvent::HeartbeatReturns(worker, true, lost));
        Ok(())
    }

    pub(super) fn on_heartbeat_returns(&mut self, worker: usize, is_success: bool, lost: &[String]) {
        let process = &mut self.processes[worker];
        match is_success {
            true => process.heartbeat_at = self.now,
            false => process.heartbeat_failed_at = Some(self.now),
        }
        for member in lost {
            if let Some((_, run)) = self.processes[worker].leases.get(member).copied() {
                self.count(Mark::LeaseLost);
                self.set_cancel_flag(worker, run);
                self.deliver(worker, Input::Wake);
            }
        }
    }
}
