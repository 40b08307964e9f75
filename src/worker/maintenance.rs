//! The maintenance thread: runs the periodic tasks of `maintenance_tasks`, and reports their errors.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::background::BackgroundThread;
use super::event_bus::EventBus;
use super::maintenance_tasks::{Progress, Tasks};
use super::options::Options;
use super::state::WorkerState;
use crate::client::Client;
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};

/// A periodic task.
struct MaintenanceTask {
    interval: fn(&Options) -> Duration,
    /// The task works on RQ's metadata only: in a deployment without it there is nothing to do.
    is_for_rq_metadata: bool,
    /// Runs the task for one queue.
    run: fn(&mut Tasks, usize) -> Result<Progress>,
}

impl MaintenanceTask {
    const fn new(interval: fn(&Options) -> Duration, run: fn(&mut Tasks, usize) -> Result<Progress>) -> Self {
        MaintenanceTask { interval, is_for_rq_metadata: false, run }
    }

    const fn for_rq_metadata(self) -> Self {
        MaintenanceTask { is_for_rq_metadata: true, ..self }
    }
}

const TASKS: [MaintenanceTask; 8] = [
    MaintenanceTask::new(|_| Duration::from_secs(1), Tasks::promote_due),
    MaintenanceTask::new(|options| options.recover_interval, Tasks::promote_ready).for_rq_metadata(),
    MaintenanceTask::new(|options| options.recover_interval, Tasks::recover_expired_leases),
    MaintenanceTask::new(|options| options.recover_interval, Tasks::requeue_orphans),
    MaintenanceTask::new(|_| Duration::from_secs(30), Tasks::expire_registries),
    MaintenanceTask::new(|_| Duration::from_secs(5), Tasks::trim_registries),
    MaintenanceTask::new(|_| Duration::from_secs(30), Tasks::free_rate_limit_slots).for_rq_metadata(),
    MaintenanceTask::new(|_| Duration::from_secs(60), Tasks::clean_groups).for_rq_metadata(),
];

/// Runs every task once, then starts the thread. The first round is before the first claim, so that a burst
/// worker finds the jobs that an earlier worker was lost with.
pub(super) fn start(
    client: &Arc<Client>,
    options: &Arc<Options>,
    queues: &[QueueKeys],
    state: &Arc<WorkerState>,
    events: &EventBus,
) -> BackgroundThread {
    let tasks = Tasks::new(client, options, queues, state, events);
    let mut maintenance = Maintenance { tasks, reported: HashMap::new() };
    maintenance.run_due(&mut TASKS.map(|_| Instant::now()));
    BackgroundThread::start("rq-rs maintain", move |stop| maintenance.run(stop))
}

struct Maintenance {
    tasks: Tasks,
    /// Errors that were reported and have not ended, by the number of the task and of the queue.
    reported: HashMap<(usize, usize), String>,
}

impl Maintenance {
    fn run(mut self, stop: &Receiver<()>) {
        let mut due = TASKS.map(|task| Instant::now() + self.jittered_interval(&task));
        loop {
            let next = due.iter().min().copied().unwrap_or_else(Instant::now);
            let wait = next.saturating_duration_since(Instant::now());
            if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                self.trim_all();
                return self.tasks.release_scheduler_locks();
            }
            self.run_due(&mut due);
        }
    }

    /// Trims the registries before the worker ends: after a burst, no worker may come for a long time.
    fn trim_all(&mut self) {
        for queue in 0..self.tasks.queues.len() {
            while {
                let result = self.tasks.trim_registries(queue);
                !self.handle_result((TASKS.len(), queue), result)
            } {}
        }
    }

    /// The interval of a task, shortened at random so that many workers do not run in step.
    fn jittered_interval(&self, task: &MaintenanceTask) -> Duration {
        (task.interval)(&self.tasks.options).mul_f64(0.6 + 0.3 * fastrand::f64())
    }

    fn run_due(&mut self, due: &mut [Instant; TASKS.len()]) {
        for (number, (task, due)) in TASKS.iter().zip(due).enumerate() {
            if *due > Instant::now() {
                continue;
            }
            let is_needed = !task.is_for_rq_metadata || self.tasks.has_rq_metadata();
            let is_done = !is_needed || self.run_task(number, task);
            // A task with more to do runs again after the other tasks.
            let pause = if is_done { self.jittered_interval(task) } else { Duration::ZERO };
            *due = Instant::now() + pause;
        }
    }

    /// Runs the task for each queue. Returns whether it is done for all of them.
    fn run_task(&mut self, number: usize, task: &MaintenanceTask) -> bool {
        let mut is_done = true;
        for queue in 0..self.tasks.queues.len() {
            let result = (task.run)(&mut self.tasks, queue);
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
            // The dispatcher reports outages.
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

    /// Returns whether some task has reported this error of the queue, and it has not ended.
    fn is_reported(&self, queue: usize, error: &str) -> bool {
        self.reported
            .iter()
            .any(|((_, reported_queue), reported)| *reported_queue == queue && reported == error)
    }
}
