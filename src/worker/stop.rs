//! Stopping a worker: its phases, and the handle that changes them from any thread.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::input::Input;
use super::phase::Phase;

/// Ctrl-C reaches a whole process group, and wrappers forward it: a second signal this soon after the first is
/// taken for a copy of the first (as in RQ).
const SIGNAL_DEBOUNCE: Duration = Duration::from_secs(1);

/// The driver iterates at least once a second and waits for Redis at most three times ten seconds: an
/// iteration that takes longer than this hangs.
#[cfg(feature = "cli")]
const MAX_ITERATION: Duration = Duration::from_secs(60);

/// Stops a worker from any thread. Clones are cheap and stop the same worker.
#[derive(Clone, Default)]
pub struct Stopper(Arc<Mutex<StopState>>);

#[derive(Default)]
struct StopState {
    phase: Phase,
    is_quiet: bool,
    first_signal: Option<Instant>,
    inbox: Option<Sender<Input>>,
    /// The moment at which the driver's last iteration began.
    last_iteration: Option<Instant>,
}

impl StopState {
    /// Tells the worker's driver what is asked for.
    fn send(&self) {
        if let Some(inbox) = &self.inbox {
            // Fails when the worker has ended already.
            let _ = inbox.send(Input::StopperChanged { phase: self.phase, is_quiet: self.is_quiet });
        }
    }
}

impl Stopper {
    /// Warm shutdown: the worker claims no more jobs, waits for its running jobs, and ends.
    pub fn stop(&self) {
        self.escalate(Phase::Draining);
    }

    /// Cold shutdown: the worker puts its running jobs back at the front of their queues, without counting an
    /// attempt, and ends. Threads cannot be killed: a handler goes on until the process ends, but no longer
    /// changes anything in Redis.
    pub fn stop_now(&self) {
        self.escalate(Phase::Terminating);
    }

    /// Handles INT or TERM: the first signal calls [`stop`](Self::stop), a later one
    /// [`stop_now`](Self::stop_now). A signal within a second of the first is ignored, as a copy of it.
    pub fn signal(&self) {
        let first = *self.lock().first_signal.get_or_insert_with(Instant::now);
        match self.phase() {
            Phase::Running => self.stop(),
            _ if first.elapsed() < SIGNAL_DEBOUNCE => {}
            _ => self.stop_now(),
        }
    }

    /// Makes the worker quiet: it claims no more jobs until [`go_on`](Self::go_on), but does not end.
    pub fn quiet(&self) {
        self.set_quiet(true);
    }

    /// Lets a [`quiet`](Self::quiet) worker claim jobs again.
    pub fn go_on(&self) {
        self.set_quiet(false);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.phase() != Phase::Running
    }

    fn set_quiet(&self, is_quiet: bool) {
        let mut state = self.lock();
        state.is_quiet = is_quiet;
        state.send();
    }

    /// Records an iteration of the driver, which makes one at least every second.
    pub(crate) fn mark_alive(&self) {
        self.lock().last_iteration = Some(Instant::now());
    }

    /// Returns `true` if the driver hangs.
    #[cfg(feature = "cli")]
    pub(crate) fn is_hanging(&self) -> bool {
        self.lock().last_iteration.is_some_and(|at| at.elapsed() >= MAX_ITERATION)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Sends the state and its changes to a worker's driver from now on.
    pub(crate) fn attach(&self, inbox: Sender<Input>) {
        let mut state = self.lock();
        state.inbox = Some(inbox);
        state.send();
    }

    fn escalate(&self, phase: Phase) {
        let mut state = self.lock();
        state.phase = state.phase.max(phase);
        state.send();
    }

    fn lock(&self) -> MutexGuard<'_, StopState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
