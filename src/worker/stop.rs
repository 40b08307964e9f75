//! Stopping: three states, and what a worker says when it has ended.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::message::Message;

/// Ctrl-C reaches a whole process group, and wrappers forward it: a second signal this soon after
/// the first is the same one (as in RQ).
const SIGNAL_DEBOUNCE: Duration = Duration::from_secs(1);

/// A loop that has not come round for so long is stuck: it turns every second, and waits for Redis at most three
/// times ten.
#[cfg(feature = "cli")]
const MAX_ITERATION: Duration = Duration::from_secs(60);

/// How much a worker still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    /// Everything.
    #[default]
    Running,
    /// Starts nothing more, lets end what runs, then leaves.
    Draining,
    /// Puts back what runs, and leaves.
    Terminating,
}

/// Stops a worker from any thread. Cheap to clone.
#[derive(Clone, Default)]
pub struct Stopper(Arc<Mutex<StopState>>);

#[derive(Default)]
struct StopState {
    phase: Phase,
    is_quiet: bool,
    first_signal: Option<Instant>,
    inbox: Option<Sender<Message>>,
    /// When the worker's loop last came round.
    last_iteration: Option<Instant>,
}

impl StopState {
    fn wake(&self) {
        if let Some(inbox) = &self.inbox {
            // A worker that has ended hears nothing, and need not.
            let _ = inbox.send(Message::StopperChanged);
        }
    }
}

impl Stopper {
    /// Starts no more jobs, waits for those that run, then ends the worker.
    pub fn stop(&self) {
        self.escalate(Phase::Draining);
    }

    /// Puts the jobs that run back at the head of their queues, without counting an attempt, and
    /// ends the worker. Threads cannot be killed: what a handler still does goes on until the
    /// process ends, but changes nothing in Redis.
    pub fn stop_now(&self) {
        self.escalate(Phase::Terminating);
    }

    /// What INT and TERM mean: the first one stops, a later one stops now. One that comes within a
    /// second of the first is taken for its echo.
    pub fn signal(&self) {
        let first = *self.lock().first_signal.get_or_insert_with(Instant::now);
        match self.phase() {
            Phase::Running => self.stop(),
            _ if first.elapsed() < SIGNAL_DEBOUNCE => {}
            _ => self.stop_now(),
        }
    }

    /// Starts no more jobs until [`go_on`](Self::go_on); those that run end, and it stays.
    pub fn quiet(&self) {
        self.set_quiet(true);
    }

    /// Takes [`quiet`](Self::quiet) back.
    pub fn go_on(&self) {
        self.set_quiet(false);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.phase() != Phase::Running
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.lock().is_quiet
    }

    fn set_quiet(&self, quiet: bool) {
        let mut state = self.lock();
        state.is_quiet = quiet;
        state.wake();
    }

    /// The loop has come round: about once a second when nothing else happens.
    pub(crate) fn mark_alive(&self) {
        self.lock().last_iteration = Some(Instant::now());
    }

    /// Whether the loop does not come round any more.
    #[cfg(feature = "cli")]
    pub(crate) fn is_loop_stuck(&self) -> bool {
        self.lock().last_iteration.is_some_and(|at| at.elapsed() >= MAX_ITERATION)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.lock().phase
    }

    pub(crate) fn attach(&self, inbox: Sender<Message>) {
        self.lock().inbox = Some(inbox);
    }

    fn escalate(&self, mode: Phase) {
        let mut state = self.lock();
        state.phase = state.phase.max(mode);
        state.wake();
    }

    fn lock(&self) -> MutexGuard<'_, StopState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
