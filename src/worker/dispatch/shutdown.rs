//! How runs are cut short, and how the worker leaves.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Dispatcher, Held, Look};
use crate::error::{Error, Result};
use crate::job::Outcome;
use crate::worker::event::Event;
use crate::worker::handlers::timeout_message;
use crate::worker::stop::Phase;

/// How often waits are ended while the worker leaves, and for how long at most.
pub(super) const UNBLOCK_EVERY: Duration = Duration::from_millis(20);
const LEAVE_WITHIN: Duration = Duration::from_secs(7);

impl Dispatcher {
    /// Jobs whose time is over, and all jobs when the worker stops now.
    pub(super) fn end_what_is_over(&mut self) {
        if let (Some(since), Some(grace)) = (self.leaving_since, self.worker.options.grace)
            && since.elapsed() >= grace
            && !self.is_quiet()
        {
            self.worker.stopper.stop_now();
        }
        let cold = self.worker.stopper.phase() == Phase::Terminating;
        let now = Instant::now();
        let is_over = |held: &Held| cold || held.deadline.is_some_and(|deadline| deadline <= now);
        let over: Vec<u64> =
            self.held.iter().filter(|(_, held)| is_over(held)).map(|(ticket, _)| *ticket).collect();
        for ticket in over {
            let Some(held) = self.held.remove(&ticket) else { continue };
            held.flag.store(true, Ordering::Relaxed);
            if held.is_supervised {
                // Its supervisor ends it, and only then is the job put back: it must not run twice at once.
                self.held.insert(ticket, held);
                continue;
            }
            let outcome = match cold {
                true => Outcome::Interrupted,
                false => self.timed_out(&held),
            };
            self.leave_thread(ticket, held, outcome, !cold);
        }
    }

    /// A thread cannot be ended: its job ends without it.
    pub(super) fn leave_thread(&mut self, ticket: u64, held: Held, outcome: Outcome, is_replaced: bool) {
        let is_replaced = is_replaced && self.slots.abandon(&held.thread);
        self.late.insert(ticket, is_replaced);
        self.worker.state.set_abandoned_threads(self.late.len());
        self.conclude(held.running, outcome);
    }

    pub(super) fn timed_out(&self, held: &Held) -> Outcome {
        let record = &held.running.record;
        let handler = record.handler.as_deref().unwrap_or("the job");
        let allowed = held.running.timeout().unwrap_or_default();
        let (others, most) = (self.late.len(), self.slots.most_abandoned());
        let advice = match others >= self.worker.options.concurrency {
            true => format!(
                "; with {most} the worker runs out of slots and ends: run handlers in processes (--isolate), \
                 or let them ask Context::is_canceled"
            ),
            false => String::new(),
        };
        self.tell(Event::Warning(format!(
            "{}: the thread of {handler} runs on past its time, as {others} others do{advice}",
            record.id,
        )));
        Outcome::TimedOut { error: timeout_message(handler, allowed) }
    }

    /// Every slot has a thread that runs on past its job's time, and no more are added: nothing can
    /// run any more. Only a new process helps.
    pub(super) fn see_whether_it_is_stuck(&self) -> Result<()> {
        let stuck = self.late.values().filter(|is_replaced| !**is_replaced).count();
        if stuck == self.worker.options.concurrency
            && self.outbox.is_empty()
            && self.flights.is_empty()
            && self.worker.stopper.phase() == Phase::Running
        {
            let threads = stuck + self.slots.abandoned();
            return Err(Error::Stuck { threads });
        }
        Ok(())
    }

    /// However the worker ends, the processes of its jobs end first.
    pub(super) fn see_processes_end(&mut self) {
        for held in self.held.values().filter(|held| held.is_supervised) {
            held.flag.store(true, Ordering::Relaxed);
        }
        let until = Instant::now() + LEAVE_WITHIN.max(self.worker.options.kill_after + UNBLOCK_EVERY * 50);
        let is_left = |this: &Self| this.held.values().any(|held| held.is_supervised);
        while is_left(self) {
            let left = until.saturating_duration_since(Instant::now());
            if self.slots.await_ended(1) && self.messages.recv_timeout(left).is_err() {
                return;
            }
            for (ticket, _) in self.slots.ended() {
                self.held.remove(&ticket);
            }
        }
    }

    /// The stopper's mode has changed.
    pub(super) fn hear_stopper(&mut self) {
        if self.worker.stopper.phase() == Phase::Terminating {
            // One try more, whatever the delay, and then it ends.
            self.outage.cut_short();
        }
        let is_quieted = self.worker.stopper.is_quiet();
        if is_quieted != self.is_quieted {
            self.is_quieted = is_quieted;
            self.worker.state.set_quiet(is_quieted);
            self.look_now();
            self.tell(if is_quieted { Event::Quieted } else { Event::GoesOn });
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving_since.is_some()
    }

    pub(super) fn see_whether_to_leave(&mut self) {
        if self.is_leaving() {
            return;
        }
        let options = &self.worker.options;
        let is_stopped = self.worker.stopper.phase() != Phase::Running;
        let all_started = options.max_jobs.is_some_and(|most| self.begun >= most);
        let seems_empty = options.burst && self.look != Look::Now && self.is_quiet();
        let idle = self.idle_since.map(|since| since.elapsed()).unwrap_or_default();
        let idle_too_long = options.max_idle_time.is_some_and(|most| idle >= most);
        let nothing_left = seems_empty && self.settle_lost_claims();
        if is_stopped || all_started || nothing_left || idle_too_long {
            self.leaving_since = Some(Instant::now());
            if is_stopped && !self.is_quiet() {
                self.worker.state.mark_shutdown_requested();
                self.tell(Event::Stopping { running: self.held.len(), unsaved: self.outbox.endings.len() });
            }
        }
    }

    /// Whether it leaves, but watchers have not come back yet.
    pub(super) fn waits_for_others(&self) -> bool {
        self.is_leaving() && self.watchers.any_armed()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.held.is_empty() && self.outbox.is_empty() && self.flights.is_empty()
    }

    /// A watcher that still waits could take an id that nobody starts: it is called back first.
    pub(super) fn has_left(&mut self) -> bool {
        if !self.is_leaving() {
            return false;
        }
        if self.watchers.any_armed() {
            self.watchers.call_back(&self.worker.client);
        }
        if !self.is_quiet() || !self.settle_lost_claims() {
            self.quiet_since = None;
            return false;
        }
        let since = *self.quiet_since.get_or_insert_with(Instant::now);
        !self.waits_for_others() || since.elapsed() >= LEAVE_WITHIN
    }
}
