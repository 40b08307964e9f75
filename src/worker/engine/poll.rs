//! The two sides of the engine: inputs come in, actions go out.

use std::time::{Duration, Instant};

use super::claims::ClaimState;
use super::{Action, Engine, Exchange, ExchangeId, Now};
use crate::error::Error;
use crate::worker::event::Event;
use crate::worker::input::Input;

/// Shortest and longest wait before the next claim, in milliseconds, if a watcher cannot wait for jobs.
const POLL_DELAY_MS: std::ops::Range<u64> = 250..1000;

impl Engine {
    /// Takes what has happened. The actions that follow come from [`poll`](Self::poll).
    pub(crate) fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::RunEnded { run, outcome } => self.on_run_ended(now, run, outcome),
            Input::Recalled(runs) => self.on_recalled(now, runs),
            Input::FieldUpdate(field, value) => self.outbox.add_field_update(field, value),
            Input::Popped(popped) => {
                self.claims.disarm_watcher(popped.queue);
                self.outbox.add_popped_id(popped);
                // While no claim may be sent, one for no slots puts the id back.
                self.claims.request();
            }
            Input::PopTimedOut { queue } => {
                self.claims.disarm_watcher(queue);
                self.claims.request();
            }
            Input::PopFailed { queue, error } => self.on_pop_failed(now, queue, &error),
            Input::Replied { exchange, replies } => self.on_replied(now, exchange, replies),
            Input::LostClaimsFetched(result) => self.on_lost_claims_fetched(now, result),
            Input::Probed(is_usable) => {
                if is_usable {
                    self.link.backoff.reset_delay();
                }
            }
            Input::Control(control) => self.on_control(now, control, 0),
            Input::StopperChanged { phase, is_quiet } => self.on_stopper_changed(phase, is_quiet),
            Input::Wake => {}
        }
    }

    /// The next claim shows whether Redis is away. If Redis only rejects the blocking pop, the worker polls.
    fn on_pop_failed(&mut self, now: Now, queue: usize, error: &Error) {
        log::debug!(target: "rq_rs", "cannot wait for jobs: {error}");
        self.claims.disarm_watcher(queue);
        let wait = Duration::from_millis(self.rng.u64(POLL_DELAY_MS));
        self.claims.state = ClaimState::WaitUntil(Some(now.instant + wait));
    }

    /// Returns the next thing to do; `None` when there is nothing until the next input or [`wake_at`](Self::wake_at).
    pub(crate) fn poll(&mut self, now: Now) -> Option<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            if let Some(result) = self.life.result.take() {
                return Some(Action::Stop(result));
            }
            if !self.advance(now) {
                return None;
            }
        }
    }

    /// Does what is due now, and returns `false` if there is nothing.
    fn advance(&mut self, now: Now) -> bool {
        self.check_timers(now);
        self.enforce_deadlines(now);
        self.recall_overdue(now);
        if !self.actions.is_empty() {
            return true;
        }
        // Redis works on the exchange while the runs of claimed jobs begin, unless the driver waits for the reply.
        let begins_first = !self.can_overlap_exchanges() && !self.runs.arrived.is_empty();
        if !begins_first && self.should_send(now) {
            self.send(now);
            return true;
        }
        self.begin_arrived(now);
        self.update_idle(now);
        self.check_exhausted();
        self.advance_drain(now);
        !self.actions.is_empty() || self.life.result.is_some() || self.should_send(now)
    }

    /// Ends waits that are over, and probes Redis when that is due.
    fn check_timers(&mut self, now: Now) {
        self.claims.check_wait(now.instant);
        self.outbox.check_delay(now.instant);
        if self.link.backoff.should_probe(now.instant) {
            self.link.backoff.schedule_probe(now.instant, &mut self.rng);
            self.actions.push_back(Action::Probe);
        }
    }

    /// The moment at which something is due that no input announces; `None` if there is nothing like that.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let timers = [
            self.runs.wake_at(),
            self.recall_at(),
            self.next_attempt_at(),
            self.claims.wake_at(),
            self.outbox.wake_at(),
            self.phase_ends_at(),
            self.settle_at(),
        ];
        timers.into_iter().flatten().min()
    }

    /// The moment at which the backoff allows the next attempt or probe, if there is something to send.
    fn next_attempt_at(&self) -> Option<Instant> {
        let waits = self.link.is_idle() && (self.outbox.is_due() || self.claim_capacity() > 0);
        self.link.backoff.next_action_at().filter(|_| waits)
    }

    /// An exchange in flight, for the driver to encode.
    pub(crate) fn exchange(&self, id: ExchangeId) -> Option<&Exchange> {
        self.link.exchanges().iter().find(|exchange| exchange.id == id)
    }

    /// Returns `true` if Redis can be used, as far as is known.
    pub(crate) fn is_healthy(&self, now: Instant) -> bool {
        self.link.is_healthy(now)
    }

    /// RQ's worker state: `busy`, `idle` or `suspended`; `None` if it stays as it was.
    pub(crate) fn worker_state(&self) -> Option<&'static str> {
        // RQ has no state for a quiet worker; "suspended" is the nearest one.
        let takes_no_jobs = self.claims.is_suspended || self.life.is_quiet;
        match (self.runs.is_empty(), takes_no_jobs, self.life.idle_since) {
            (false, ..) => Some("busy"),
            (true, true, _) => Some("suspended"),
            (true, false, Some(_)) => Some("idle"),
            (true, false, None) => None,
        }
    }

    /// Number of abandoned threads that still run.
    pub(crate) fn abandoned_threads(&self) -> usize {
        self.runs.slots.abandoned()
    }

    /// Number of runs and abandoned threads that hold a slot or wait for one.
    #[cfg(test)]
    pub(crate) fn occupied_slots(&self) -> usize {
        self.runs.slots.occupied()
    }

    /// Number of threads that the pool may have: one for each slot and for each abandoned thread that was replaced.
    pub(crate) fn max_threads(&self) -> usize {
        self.config.options.concurrency + self.runs.slots.replaced()
    }

    /// Records whether the worker is idle: it has no work, and as far as it knows its queues are empty.
    fn update_idle(&mut self, now: Now) {
        let is_idle = self.has_no_work() && !self.claims.is_ready();
        match (is_idle, self.life.idle_since) {
            (false, _) => self.life.idle_since = None,
            (true, Some(_)) => {}
            (true, None) => {
                self.life.idle_since = Some(now.instant);
                self.emit(Event::Idle);
            }
        }
    }
}
