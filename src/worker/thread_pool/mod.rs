//! The thread pool: one slot for each job that runs at a time. Its threads never use Redis; they hand the
//! outcome of each run over to the dispatcher.

mod pool_thread;
pub(crate) mod run_queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;

use self::run_queue::{EndedRun, QueuedRun, RetireFlag, RunId, RunQueue};
use super::context::Context;
use super::executor::{Executor, RunnableJob};
use super::message::Message;
use crate::job::Record;

/// Limit of the replaced threads for each slot. A thread cannot be killed: when a run is past its timeout, its thread is
/// abandoned and another one takes the slot, until too many abandoned threads still run.
const MAX_REPLACED_PER_SLOT: usize = 4;

/// A thread that still works after its run was ended from outside.
#[derive(Clone, Copy, PartialEq)]
enum AbandonedThread {
    /// Another thread has the slot.
    Replaced,
    /// The thread holds its slot until it returns.
    HoldsSlot,
}

/// The dispatcher's side of the pool. Threads start when they are needed. Each takes the next run after its last one,
/// so that a short job does not cost a switch of threads.
pub(crate) struct ThreadPool {
    executor: Arc<Executor>,
    inbox: Sender<Message>,
    run_queue: Arc<RunQueue>,
    slots: usize,
    /// Runs that hold a slot or, when prefetched, wait for one.
    occupied: usize,
    /// The abandoned threads, by the run that each works on.
    abandoned: HashMap<RunId, AbandonedThread>,
    staged: Vec<QueuedRun>,
    /// The signal mask of the thread that created the pool; the pool's threads get it too.
    signal_mask: SigSet,
}

impl ThreadPool {
    pub(crate) fn new(slots: usize, executor: Executor, inbox: Sender<Message>) -> Self {
        ThreadPool {
            executor: Arc::new(executor),
            inbox,
            run_queue: Arc::default(),
            slots,
            occupied: 0,
            abandoned: HashMap::new(),
            staged: Vec::new(),
            signal_mask: SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty()),
        }
    }

    /// Number of jobs that can be added when this many may wait for a slot.
    pub(crate) fn capacity(&self, prefetch: usize) -> usize {
        (self.slots + prefetch).saturating_sub(self.occupied)
    }

    /// Returns `true` if there are more jobs than slots.
    pub(crate) fn has_prefetched(&self) -> bool {
        self.occupied > self.slots
    }

    /// Returns `true` if a process runs this job. Its supervisor then enforces the deadline.
    pub(crate) fn is_supervised(&self, record: &Record) -> bool {
        self.executor.is_supervised(record.handler.as_deref())
    }

    /// Ends the processes that wait for another job. No run may be left.
    pub(crate) fn end_processes(&self) {
        self.executor.end_processes();
    }

    /// Adds a run. It begins after the next [`submit_staged`](Self::submit_staged), when a slot is free.
    pub(crate) fn stage(&mut self, run_id: RunId, context: Context, job: RunnableJob) -> RetireFlag {
        self.occupied += 1;
        let (retire_flag, staged_at) = (RetireFlag::default(), Instant::now());
        self.staged.push(QueuedRun { run_id, context, job, retire_flag: retire_flag.clone(), staged_at });
        retire_flag
    }

    /// Hands the staged runs over to the threads, and starts more threads when too few are free.
    pub(crate) fn submit_staged(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        let max_threads = self.slots + self.count(AbandonedThread::Replaced);
        let missing = self.run_queue.submit(&mut self.staged, max_threads);
        (0..missing).for_each(|_| self.start_thread());
    }

    /// Removes and returns all runs that wait for a slot, the latest first, if the first of them has waited for longer
    /// than `max_wait`.
    pub(crate) fn recall_overdue(&self, max_wait: Duration) -> Vec<RunId> {
        self.run_queue.recall_overdue(max_wait)
    }

    /// Removes and returns the runs that have ended since the last call, and disarms the notification.
    pub(crate) fn take_ended(&self) -> Vec<EndedRun> {
        self.run_queue.take_ended()
    }

    /// Arms the notification: [`Message::RunsEnded`] is sent when `count` runs have ended. Returns `false` if so many
    /// have ended already; nothing is armed then.
    pub(crate) fn arm_notification(&self, count: usize) -> bool {
        self.run_queue.arm_notification(count)
    }

    /// Frees the slot of a run that has ended.
    pub(crate) fn release_slot(&mut self) {
        self.occupied = self.occupied.saturating_sub(1);
    }

    /// Records that a thread works on after the end of its run. With `replace`, another thread gets its slot, unless
    /// too many were replaced already.
    pub(crate) fn abandon(&mut self, run_id: RunId, retire_flag: &RetireFlag, replace: bool) {
        let thread = match replace && self.count(AbandonedThread::Replaced) < self.max_replaced() {
            true => AbandonedThread::Replaced,
            false => AbandonedThread::HoldsSlot,
        };
        if thread == AbandonedThread::Replaced {
            self.release_slot();
            retire_flag.set();
        }
        self.abandoned.insert(run_id, thread);
    }

    /// Records that an abandoned thread has returned from this run. A replaced thread ends by itself.
    pub(crate) fn on_abandoned_returned(&mut self, run_id: RunId) {
        if self.abandoned.remove(&run_id) == Some(AbandonedThread::HoldsSlot) {
            self.release_slot();
        }
    }

    /// Number of abandoned threads that still run.
    pub(crate) fn abandoned(&self) -> usize {
        self.abandoned.len()
    }

    /// Returns `true` if an abandoned thread holds each slot.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.count(AbandonedThread::HoldsSlot) == self.slots
    }

    /// Largest number of abandoned threads that are replaced.
    pub(crate) fn max_replaced(&self) -> usize {
        self.slots * MAX_REPLACED_PER_SLOT
    }

    fn count(&self, kind: AbandonedThread) -> usize {
        self.abandoned.values().filter(|thread| **thread == kind).count()
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
