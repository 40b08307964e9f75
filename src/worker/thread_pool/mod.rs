//! The thread pool: one slot for each job that runs at a time. Its threads never use Redis; they hand the
//! outcome of each run over to the dispatcher.

mod pool_thread;
pub(crate) mod run_queue;

use std::sync::Arc;
use std::sync::mpsc::Sender;

use nix::sys::signal::SigSet;

use self::run_queue::{EndedRun, QueuedRun, RetireFlag, RunQueue};
use super::context::Context;
use super::executor::Executor;
use super::input::Input;
use super::run::{RunId, RunnableJob};

/// The dispatcher's side of the pool. Threads start when they are needed. Each takes the next run after its last one,
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
    pub(crate) fn new(executor: Arc<Executor>, inbox: Sender<Input>) -> Self {
        ThreadPool {
            executor,
            inbox,
            run_queue: Arc::default(),
            staged: Vec::new(),
            signal_mask: SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty()),
        }
    }

    /// Ends the processes that wait for another job. No run may be left.
    pub(crate) fn end_processes(&self) {
        self.executor.end_processes();
    }

    /// Adds a run. It begins after the next [`submit_staged`](Self::submit_staged), when a thread is free.
    pub(crate) fn stage(&mut self, run_id: RunId, context: Context, job: RunnableJob) -> RetireFlag {
        let retire_flag = RetireFlag::default();
        self.staged.push(QueuedRun { run_id, context, job, retire_flag: retire_flag.clone() });
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

    /// Removes and returns all runs that wait for a thread, the latest first.
    pub(crate) fn recall(&self) -> Vec<RunId> {
        self.run_queue.recall()
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
                // The dispatcher, which starts this thread, has all signals blocked. Handlers and the programs
                // that they start would inherit that.
                let _ = mask.thread_set_mask();
                pool_thread::run_jobs(&run_queue, &executor, &inbox);
            })
            .expect("the system has a thread left");
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.run_queue.close();
    }
}
