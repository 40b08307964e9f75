//! Liveness (`/livez`: restart the process if not) and readiness (`/readyz`: can it do its work now).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;

use super::response::{self, Response, TEXT};
use crate::client::{Client, RedisCommand};
use crate::worker::Stopper;

/// A worker that has not been healthy for so long is not ready.
const READINESS_TIMEOUT: Duration = Duration::from_secs(15);

/// Health of the worker in this process; without one, only Redis is checked.
#[derive(Clone, Default)]
pub(crate) struct Health(Option<WorkerHealth>);

#[derive(Clone)]
struct WorkerHealth {
    stopper: Stopper,
    last_ready: Arc<Mutex<Option<Instant>>>,
}

impl Health {
    /// Health of a process that runs a worker.
    pub(crate) fn of_worker(stopper: Stopper) -> Self {
        Health(Some(WorkerHealth { stopper, last_ready: Arc::default() }))
    }

    /// Records that the worker fetches jobs now, or is busy with as many as it has slots.
    pub(crate) fn mark_ready(&self) {
        if let Some(worker) = &self.0 {
            *worker.last_ready.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// Responds to the probe `livez` or `readyz`.
    pub(super) fn respond(&self, client: &Client, probe: &str) -> Response {
        let problem = match probe {
            "livez" => self.is_loop_stuck().then_some("the worker's loop does not turn"),
            _ if self.is_worker_unready() => Some("the worker does not fetch jobs"),
            // The probe's own timeout leaves no time for a second attempt.
            _ => client
                .call_all_single_attempt(&[RedisCommand::new("PING")])
                .err()
                .map(|_| "Redis cannot be reached"),
        };
        match problem {
            None => response::ok(TEXT, "ok\n"),
            Some(problem) => {
                response::with_status(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{problem}\n"))
            }
        }
    }

    fn is_loop_stuck(&self) -> bool {
        self.0.as_ref().is_some_and(|worker| worker.stopper.is_hanging())
    }

    fn is_worker_unready(&self) -> bool {
        let Some(worker) = &self.0 else { return false };
        let last_ready = *worker.last_ready.lock().unwrap_or_else(PoisonError::into_inner);
        worker.stopper.is_stopping() || last_ready.is_none_or(|at| at.elapsed() >= READINESS_TIMEOUT)
    }
}
