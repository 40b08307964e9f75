//! The maintenance thread: runs periodic tasks that any worker does for all workers, and reports their errors. The
//! tasks are in `tasks` and, for the dialect rq, in `rq_tasks`; a new one is a method and a line of a table there.

mod rq_tasks;
mod scheduler_lock;
mod tasks;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use self::rq_tasks::RQ_TASKS;
#[cfg(test)]
pub(super) use self::tasks::encode_promote_due;
use self::tasks::{MaintenanceTask, Progress, TASKS, Tasks};
use super::background::BackgroundThread;
use super::event_bus::EventBus;
use super::options::Options;
use super::state::WorkerState;
use crate::client::Client;
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};

/// Runs every task once, then starts the thread. The tasks run before the first claim, so that a burst worker finds the
/// jobs of a worker that was lost before.
pub(super) fn start(
    client: &Arc<Client>,
    options: &Arc<Options>,
    queues: &[QueueKeys],
    state: &Arc<WorkerState>,
    events: &EventBus,
) -> BackgroundThread {
    let tasks = Tasks::new(client, options, queues, state, events);
    let rq_tasks = RQ_TASKS.into_iter().filter(|_| client.rq.is_enabled());
    let table: Vec<MaintenanceTask> = TASKS.into_iter().chain(rq_tasks).collect();
    let mut due = vec![Instant::now(); table.len()];
    let mut maintenance = Maintenance { tasks, table, reported: HashMap::new() };
    maintenance.run_due(&mut due);
    BackgroundThread::start("rq-rs maintain", move |stop| maintenance.run(stop))
}

struct Maintenance {
    tasks: Tasks,
    table: Vec<MaintenanceTask>,
    /// Errors that were reported and have not ended, by the number of the task and of the queue.
    reported: HashMap<(usize, usize), String>,
}

impl Maintenance {
    fn run(mut self, stop: &Receiver<()>) {
        let mut due: Vec<Instant> =
            self.table.iter().map(|task| Instant::now() + self.jittered_interval(task)).collect();
        loop {
            let next = due.iter().min().copied().unwrap_or_else(Instant::now);
            let wait = next.saturating_duration_since(Instant::now());
            if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                self.trim_all();
                return scheduler_lock::release_all(&self.tasks.client, &self.tasks.queues);
            }
            self.run_due(&mut due);
        }
    }

    /// Trims the registries before the worker ends: after a burst, no worker may come for a long time.
    fn trim_all(&mut self) {
        for queue in 0..self.tasks.queues.len() {
            // The table numbers its tasks from 0: this number is of none of them.
            let last_trim = (self.table.len(), queue);
            loop {
                let result = self.tasks.trim_registries(queue);
                if self.handle_result(last_trim, result) {
                    break;
                }
            }
        }
    }

    /// The interval of a task, shortened at random so that many workers do not run in step.
    fn jittered_interval(&self, task: &MaintenanceTask) -> Duration {
        (task.interval)(&self.tasks.options).mul_f64(0.6 + 0.3 * fastrand::f64())
    }

    fn run_due(&mut self, due: &mut [Instant]) {
        for (number, due) in due.iter_mut().enumerate() {
            if *due > Instant::now() {
                continue;
            }
            let is_done = self.run_task(number);
            // A task with more to do runs again after the other tasks.
            let pause = if is_done { self.jittered_interval(&self.table[number]) } else { Duration::ZERO };
            *due = Instant::now() + pause;
        }
    }

    /// Runs a task for each queue. Returns whether it is done for all of them.
    fn run_task(&mut self, number: usize) -> bool {
        let run = self.table[number].run;
        let mut is_done = true;
        for queue in 0..self.tasks.queues.len() {
            let result = run(&mut self.tasks, queue);
            is_done &= self.handle_result((number, queue), result);
        }
        is_done
    }

    /// Reports an error when it begins and when it ends. Returns whether the task is done for now.
    fn handle_result(&mut self, (task, queue): (usize, usize), result: Result<Progress>) -> bool {
        match result {
            // A task that did not run cannot tell whether its error has ended.
            Ok(Progress::OnHold) => true,
            Ok(progress) => {
                let ended = self.reported.remove(&(task, queue));
                if let Some(error) = ended.filter(|error| !self.is_reported(queue, error)) {
                    self.tasks.warn(queue, &format!("no more: {error}"));
                }
                progress == Progress::Done
            }
            // The driver reports outages.
            Err(Error::Unreachable { .. }) => true,
            Err(error) => {
                let error = error.to_string();
                if !self.is_reported(queue, &error) {
                    self.tasks.warn(queue, &error);
                }
                self.reported.insert((task, queue), error);
                true
            }
        }
    }

    /// Returns whether a task has reported this error of the queue, and the error has not ended.
    fn is_reported(&self, queue: usize, error: &str) -> bool {
        self.reported
            .iter()
            .any(|((_, reported_queue), reported)| *reported_queue == queue && reported == error)
    }
}
