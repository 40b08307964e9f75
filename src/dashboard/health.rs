//! What probes ask: whether the program lives, and whether it can do its work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;

use super::answer::{self, Answer, TEXT};
use crate::store::{Call, Store};
use crate::worker::Stopper;

/// A worker that was well so long ago is not ready.
const UNWELL: Duration = Duration::from_secs(15);

/// What is known of the worker in this process; nothing without one.
#[derive(Clone, Default)]
pub(crate) struct Health(Option<OfWorker>);

#[derive(Clone)]
struct OfWorker {
    stopper: Stopper,
    was_well: Arc<Mutex<Option<Instant>>>,
}

impl Health {
    /// Of a process with a worker.
    pub(crate) fn of_worker(stopper: Stopper) -> Self {
        Health(Some(OfWorker { stopper, was_well: Arc::default() }))
    }

    /// It fetches jobs, or is busy with as many as it can have.
    pub(crate) fn is_well(&self) {
        if let Some(worker) = &self.0 {
            *worker.was_well.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    pub(super) fn answer(&self, store: &Store, probe: &str) -> Answer {
        let trouble = match probe {
            "livez" => self.is_stuck().then_some("the worker's loop does not turn"),
            _ if self.is_unwell() => Some("the worker does not fetch jobs"),
            // Once: a probe has no time for a second try.
            _ => store.ask_once(&[Call::command("PING")]).err().map(|_| "Redis cannot be reached"),
        };
        match trouble {
            None => answer::ok(TEXT, "ok\n"),
            Some(what) => answer::answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{what}\n")),
        }
    }

    fn is_stuck(&self) -> bool {
        self.0.as_ref().is_some_and(|worker| worker.stopper.is_loop_stuck())
    }

    fn is_unwell(&self) -> bool {
        let was_well = |worker: &OfWorker| *worker.was_well.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.as_ref().is_some_and(|worker| {
            worker.stopper.is_stopped() || was_well(worker).is_none_or(|at| at.elapsed() >= UNWELL)
        })
    }
}
