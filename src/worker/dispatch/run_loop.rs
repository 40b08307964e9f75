//! The loop. Each iteration handles what has happened (runs have ended, watchers have popped ids, Redis has replied,
//! the worker is told to stop) and sends all that is due in one exchange with Redis: completions, and a claim for the
//! free slots.

use std::time::{Duration, Instant};

use super::dispatcher::{ClaimState, Dispatcher};
use super::prefetch::MAX_PREFETCH_WAIT;
use crate::error::Result;
use crate::worker::event::Event;
use crate::worker::message::Message;
use crate::worker::stop::Phase;
use crate::worker::summary::Summary;
use crate::worker::watchers::UNBLOCK_INTERVAL;

/// The loop iterates at least this often.
const MAX_POLL_TIMEOUT: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// Runs jobs until the worker is stopped, or its options end it.
    pub(crate) fn run(mut self) -> Result<Summary> {
        self.emit(Event::Ready {
            worker: self.worker.options.name.clone(),
            queues: self.worker.options.queues.clone(),
        });
        let result = self.run_loop();
        self.wait_for_children();
        self.pool.end_processes();
        self.warn_of_lost_claims();
        result?;
        self.emit(Event::Ended(self.summary));
        Ok(self.summary)
    }

    fn run_loop(&mut self) -> Result<()> {
        loop {
            self.worker.stopper.mark_alive();
            self.drain_inbox()?;
            self.check_timers();
            self.enforce_deadlines();
            self.put_back_overdue_prefetch();
            // Redis works on the exchange while the claimed jobs are decoded and their runs begin.
            self.send_exchanges()?;
            self.begin_claimed_runs();
            self.update_idle();
            self.report_health();
            self.check_exhausted()?;
            self.maybe_start_drain();
            if self.advance_drain() {
                return Ok(());
            }
        }
    }

    /// Handles all messages and all runs that have ended. Waits for a message first, when there is nothing to send.
    fn drain_inbox(&mut self) -> Result<()> {
        let mut next = self.wait_for_message();
        // A run sends its field updates before it ends. Its end is taken before the messages are read and handled
        // after them, so that the updates come first.
        let ended = self.pool.take_ended();
        next = next.or_else(|| self.messages.try_recv().ok());
        while let Some(message) = next {
            match message {
                Message::Replied { exchange, replies } => self.on_reply(exchange, replies)?,
                message => self.on_message(message),
            }
            next = self.messages.try_recv().ok();
        }
        for (run_id, outcome) in ended {
            self.on_run_ended(run_id, outcome);
        }
        Ok(())
    }

    fn wait_for_message(&self) -> Option<Message> {
        if self.should_send() || !self.arm_notification() {
            return self.messages.try_recv().ok();
        }
        self.messages.recv_timeout(self.poll_timeout()).ok()
    }

    /// Lets the pool send a message when enough runs have ended for an exchange. Returns `false` if they have already.
    fn arm_notification(&self) -> bool {
        self.completions_until_send().is_none_or(|count| self.pool.arm_notification(count))
    }

    /// Time until the next moment at which something is due that no message announces.
    fn poll_timeout(&self) -> Duration {
        let now = Instant::now();
        let deadlines = self.runs.values().filter_map(|run| run.deadline);
        let timers = [
            self.next_attempt_at(),
            self.claim_state.wait_ends_at(),
            self.phase_ends_at(),
            self.outbox.retry_at(),
            self.pool.has_prefetched().then(|| now + MAX_PREFETCH_WAIT),
            self.is_waiting_for_watchers().then(|| now + UNBLOCK_INTERVAL),
        ];
        let first = deadlines.chain(timers.into_iter().flatten()).min();
        first.map_or(MAX_POLL_TIMEOUT, |at| at.saturating_duration_since(now).min(MAX_POLL_TIMEOUT))
    }

    /// The moment at which the backoff allows the next attempt or probe, if there is something to send.
    fn next_attempt_at(&self) -> Option<Instant> {
        let waits = self.exchanges.is_empty() && (self.outbox.is_due() || self.claim_capacity() > 0);
        self.backoff.next_action_at().filter(|_| waits)
    }

    /// The moment at which an idle worker has been idle for too long, or a draining one has used up its grace.
    fn phase_ends_at(&self) -> Option<Instant> {
        let options = &self.worker.options;
        match self.draining_since {
            None => self.idle_since.zip(options.max_idle_time).map(|(since, limit)| since + limit),
            Some(since) if self.worker.stopper.phase() != Phase::Terminating && !self.has_no_work() => {
                options.grace.map(|grace| since + grace)
            }
            Some(_) => None,
        }
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::FieldUpdate(field, value) => drop(self.outbox.field_updates.insert(field, value)),
            Message::Popped(popped) => {
                self.watchers.mark_disarmed(popped.queue);
                self.outbox.popped_ids.push(popped);
                // While the claim state is not ready, a claim asks for no slots and puts the id back.
                self.request_claim();
            }
            Message::PopTimedOut { queue } => {
                self.watchers.mark_disarmed(queue);
                self.request_claim();
            }
            Message::PopFailed { queue, error } => {
                // The next claim shows whether Redis is away. If Redis only rejects the blocking pop, the worker
                // polls.
                log::debug!(target: "rq_rs", "cannot wait for jobs: {error}");
                self.watchers.mark_disarmed(queue);
                let wait = Duration::from_millis(fastrand::u64(250..1000));
                self.claim_state = ClaimState::WaitUntil(Some(Instant::now() + wait));
            }
            Message::Control(control) => self.on_control(control, 0),
            Message::StopperChanged => self.on_stopper_changed(),
            // These two only wake the loop: it takes the ended runs from the pool in any case, and the heartbeat has
            // set the run's cancel flag.
            Message::RunsEnded | Message::LeaseLost => {}
            // `drain_inbox` handles replies, because they can end the worker.
            Message::Replied { .. } => {}
        }
    }

    /// Allows a claim whose waiting time is over, and probes Redis when that is due.
    fn check_timers(&mut self) {
        if matches!(self.claim_state, ClaimState::WaitUntil(Some(at)) if at <= Instant::now()) {
            self.claim_state = ClaimState::Ready;
        }
        if self.backoff.should_probe() {
            self.backoff.schedule_probe();
            if self.probe() {
                self.backoff.reset_delay();
            }
        }
    }

    /// Records whether the worker is idle: it has no work, and as far as it knows its queues are empty.
    fn update_idle(&mut self) {
        let is_idle = self.has_no_work() && self.claim_state != ClaimState::Ready;
        match (is_idle, self.idle_since) {
            (false, _) => self.idle_since = None,
            (true, Some(_)) => {}
            (true, None) => {
                self.idle_since = Some(Instant::now());
                self.emit(Event::Idle);
            }
        }
        // RQ has no state for a quiet worker; "suspended" is the nearest one.
        let state = match (self.runs.is_empty(), self.is_suspended || self.is_quiet, self.idle_since) {
            (false, ..) => "busy",
            (true, true, _) => "suspended",
            (true, false, Some(_)) => "idle",
            (true, false, None) => return,
        };
        self.worker.state.set_state(state);
    }
}
