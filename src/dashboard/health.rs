//! What probes ask: whether the program lives, and whether it can do its work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::StatusCode;

use super::response::{self, Response, TEXT};
use crate::client::{Client, RedisCommand};
use crate::worker::Stopper;

/// A worker that was well so long ago is not ready.
const READINESS_TIMEOUT: Duration = Duration::from_secs(15);

/// What is known of the worker in this process; nothing without one.
#[derive(Clone, Default)]
pub(crate) struct Health(Option<WorkerHealth>);

#[derive(Clone)]
struct WorkerHealth {
    stopper: Stopper,
    last_ready: Arc<Mutex<Option<Instant>>>,
}

impl Health {
    /// Of a process with a worker.
    pub(crate) fn of_worker(stopper: Stopper) -> Self {
        Health(Some(WorkerHealth { stopper, last_ready: Arc::default() }))
    }

    /// It fetches jobs, or is busy with as many as it can have.
    pub(crate) fn mark_ready(&self) {
        if let Some(worker) = &self.0 {
            *worker.last_ready.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    pub(super) fn answer(&self, client: &Client, probe: &str) -> Response {
        let trouble = match probe {
            "livez" => self.is_loop_stuck().then_some("the worker's loop does not turn"),
            _ if self.is_not_ready() => Some("the worker does not fetch jobs"),
            // Once: a probe has no time for a second try.
            _ => client
                .query_all_no_retry(&[RedisCommand::new("PING")])
                .err()
                .map(|_| "Redis cannot be reached"),
        };
        match trouble {
            None => response::ok(TEXT, "ok\n"),
            Some(what) => response::answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{what}\n")),
        }
    }

    fn is_loop_stuck(&self) -> bool {
        self.0.as_ref().is_some_and(|worker| worker.stopper.is_loop_stuck())
    }

    fn is_not_ready(&self) -> bool {
        let last_ready =
            |worker: &WorkerHealth| *worker.last_ready.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.as_ref().is_some_and(|worker| {
            worker.stopper.is_stopping()
                || last_ready(worker).is_none_or(|at| at.elapsed() >= READINESS_TIMEOUT)
        })
    }
}
