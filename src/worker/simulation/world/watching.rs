//! Watchers: each waits in a blocking move on one queue.

use super::super::clock::{MILLISECOND, Micros, SECOND};
use super::super::coverage::Mark;
use super::super::defect::Defect;
use super::super::events::WorldEvent;
use super::super::redis::{Waiter, unreachable};
use super::World;
use crate::claim::PoppedId;
use crate::worker::input::Input;

/// Time limit of a blocking move, and interval of the attempts to end one, as in the watchers of the product.
const POP_TIMEOUT: Micros = 5 * SECOND;
const UNBLOCK_INTERVAL: Micros = 20 * MILLISECOND;
const UNBLOCK_TIME: Micros = 6 * SECOND;

impl World<'_> {
    pub(super) fn arm_watcher(&mut self, worker: usize, queue: usize) {
        let process = &mut self.processes[worker];
        let watcher = &mut process.watchers[queue];
        watcher.is_armed = true;
        watcher.wait += 1;
        let wait = watcher.wait;
        let delay = process.latency();
        self.events.add(self.now + delay, WorldEvent::WatcherArrives(worker, queue, wait));
    }

    pub(super) fn on_watcher_arrives(&mut self, worker: usize, queue: usize, wait: u64) {
        if !self.redis.ledger.workers[worker].is_alive {
            return;
        }
        if !self.redis.is_up {
            let input = Input::PopFailed { queue, error: unreachable() };
            return self.end_watch(worker, queue, input);
        }
        self.redis.wait(Waiter { worker, queue, wait, closes_at: None });
        let is_unblocked = self.now < self.processes[worker].unblocks_until;
        let timeout = if is_unblocked { UNBLOCK_INTERVAL } else { POP_TIMEOUT };
        self.events.add(self.now + timeout, WorldEvent::WatcherTimesOut(worker, queue, wait));
    }

    pub(super) fn on_watcher_times_out(&mut self, worker: usize, queue: usize, wait: u64) {
        if self.redis.end_wait((worker, queue, wait)) {
            self.end_watch(worker, queue, Input::PopTimedOut { queue });
        }
    }

    /// The watcher tells the loop how its wait has ended.
    fn end_watch(&mut self, worker: usize, queue: usize, input: Input) {
        let process = &mut self.processes[worker];
        process.watchers[queue].is_armed = false;
        let delay = process.latency();
        let input = match (self.redis.defect, input) {
            (Some(Defect::WatcherEndIsDropped), Input::PopTimedOut { .. })
            | (Some(Defect::WatcherFailureIsDropped), Input::PopFailed { .. }) => return,
            (Some(Defect::WokenIdIsDropped), Input::Popped(_)) => Input::PopTimedOut { queue },
            (_, input) => input,
        };
        self.events.add(self.now + delay, WorldEvent::Deliver(worker, Box::new(input)));
    }

    /// Gives new ids to the watchers that wait.
    pub(super) fn serve_watchers(&mut self) {
        if !self.redis.is_up {
            return;
        }
        for (waiter, id) in self.redis.serve_watchers() {
            if self.redis.ledger.workers[waiter.worker].is_alive {
                self.count(Mark::WokenByWatcher);
                let popped = PoppedId { queue: waiter.queue, id: id.into_bytes() };
                self.end_watch(waiter.worker, waiter.queue, Input::Popped(popped));
            }
        }
    }

    /// `CLIENT UNBLOCK`, again and again for a while.
    pub(super) fn unblock_watchers(&mut self, worker: usize) {
        if !self.redis.is_up {
            return;
        }
        self.processes[worker].unblocks_until = self.now + UNBLOCK_TIME;
        for waiter in self.redis.end_waits_of(worker) {
            self.end_watch(worker, waiter.queue, Input::PopTimedOut { queue: waiter.queue });
        }
    }

    /// All blocking moves fail.
    pub(super) fn break_watchers(&mut self) {
        for Waiter { worker, queue, .. } in self.redis.take_waiting() {
            if self.redis.ledger.workers[worker].is_alive {
                self.end_watch(worker, queue, Input::PopFailed { queue, error: unreachable() });
            }
        }
    }
}
