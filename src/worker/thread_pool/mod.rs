//! The thread pool: one slot for each job that runs at a time. Its threads never use Redis; they hand the
//! outcome of each run over to the driver.

pub(crate) mod run_queue;

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;

use self::run_queue::{EndedRun, QueuedRun, RetireFlag, RunQueue};
use super::context::Context;
use super::executor::Executor;
use super::input::Input;
use super::panics;
use super::run::{RunId, RunnableJob};
use crate::job::Outcome;

/// When signals are sent to a worker and its processes together, all of them arrive within this time.
const GROUP_SIGNAL_GRACE: Duration = Duration::from_millis(200);

/// The driver's side of the pool. Threads start when they are needed. Each takes the next run after its last one,
/// so that a short job does not cost a switch of threads.
pub(crate) struct ThreadPool {
    executor: Arc<Executor>,
    inbox: Sender<Input>,
    run_queue: Arc<RunQueue>,
    staged: Vec<QueuedRun>,
    /// The signal mask of the thread that created the pool; the pool's threads get it too.
    signal_mask: SigSet,
}

impl ThreadPool {
    pub(crate) fn new(executor: &Arc<Executor>, inbox: &Sender<Input>) -> Self {
        ThreadPool {
            executor: Arc::clone(executor),
            inbox: inbox.clone(),
            run_queue: Arc::default(),
            staged: Vec::new(),
            signal_mask: SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty()),
        }
    }

    /// Adds a run. It begins after the next [`submit_staged`](Self::submit_staged), when a thread is free.
    pub(crate) fn stage(&mut self, run_id: RunId, context: Context, job: RunnableJob) -> RetireFlag {
        let retire_flag = RetireFlag::default();
        let staged_at = Instant::now();
        self.staged.push(QueuedRun { run_id, context, job, retire_flag: retire_flag.clone(), staged_at });
        retire_flag
    }

    /// Hands the staged runs over to the threads, and starts more threads when too few are free, up to `max_threads`.
    pub(crate) fn submit_staged(&mut self, max_threads: usize) {
        if self.staged.is_empty() {
            return;
        }
        let missing = self.run_queue.submit(&mut self.staged, max_threads);
        (0..missing).for_each(|_| self.start_thread());
    }

    /// Removes and returns all runs that wait for a thread, the latest first, if the first of them has waited for
    /// `max_wait`.
    pub(crate) fn recall_overdue(&self, max_wait: Duration) -> Vec<RunId> {
        self.run_queue.recall_overdue(max_wait)
    }

    /// Removes and returns the runs that have ended since the last call, and disarms the notification.
    pub(crate) fn take_ended(&self) -> Vec<EndedRun> {
        self.run_queue.take_ended()
    }

    /// Arms the notification: [`Input::Wake`] is sent when `count` runs have ended. Returns `false` if so many
    /// have ended already; nothing is armed then.
    pub(crate) fn arm_notification(&self, count: usize) -> bool {
        self.run_queue.arm_notification(count)
    }

    fn start_thread(&self) {
        let (run_queue, executor) = (Arc::clone(&self.run_queue), Arc::clone(&self.executor));
        let (inbox, mask) = (self.inbox.clone(), self.signal_mask);
        std::thread::Builder::new()
            .name("rq-rs slot".to_owned())
            .spawn(move || {
                // The driver, which starts this thread, has all signals blocked. Handlers and the programs
                // that they start would inherit that.
                let _ = mask.thread_set_mask();
                run_jobs(&run_queue, &executor, &inbox);
            })
            .expect("the system has a thread left");
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.run_queue.close();
    }
}

/// Runs jobs until the thread is retired or the pool is closed.
fn run_jobs(run_queue: &RunQueue, executor: &Executor, inbox: &Sender<Input>) {
    // Fails when the driver has ended already.
    let notify = || drop(inbox.send(Input::Wake));
    let (mut ended, mut is_retired) = (None, false);
    while let Some(QueuedRun { run_id, context, mut job, retire_flag, .. }) =
        run_queue.next_run(ended, is_retired, notify)
    {
        let outcome = run(executor, &context, &mut job);
        if matches!(outcome, Outcome::KilledFromOutside { .. }) {
            // Perhaps the whole service was told to end. Then the worker's own signal has to be handled first, or
            // the driver would take the end of the process for a failure.
            std::thread::sleep(GROUP_SIGNAL_GRACE);
        }
        is_retired = retire_flag.is_set();
        ended = Some((run_id, outcome));
    }
}

/// Runs a job. Every panic becomes an outcome, also one in the code of the arguments, so that every run has an outcome.
fn run(executor: &Executor, context: &Context, job: &mut RunnableJob) -> Outcome {
    let outcome = panics::catch_panic(|| match context.is_canceled() {
        // Stopped, past its deadline, or without its lease before the thread took it.
        true => Outcome::Interrupted,
        false => executor.run(context, job),
    });
    outcome.unwrap_or_else(|panic| Outcome::Crashed {
        error: format!("{} {panic}", job.record.handler.as_deref().unwrap_or("the job")),
    })
}
