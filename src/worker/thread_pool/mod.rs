//! The thread pool: one slot for each job that runs at a time. Its threads never use Redis; they give the outcome of
//! each run back to the dispatcher.

pub(crate) mod shared;
mod slot;

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;

use self::shared::{EndedRun, PoolShared, QueuedRun, RetireFlag, RunId};
use super::context::Context;
use super::executor::{Executor, RunnableJob};
use super::message::Message;
use crate::job::Record;

/// A thread cannot be killed, so that of a job past its timeout is abandoned and replaced. When this many threads
/// for each slot are abandoned and still run, no more are replaced.
const MAX_ABANDONED_PER_SLOT: usize = 4;

/// The dispatcher's side of the pool. Threads start when they are needed, and each takes whatever run is next:
/// short jobs do not cost a switch of threads each.
pub(crate) struct ThreadPool {
    executor: Arc<Executor>,
    inbox: Sender<Message>,
    shared: Arc<PoolShared>,
    slots: usize,
    /// Runs that hold a slot or, when prefetched, wait for one.
    occupied: usize,
    /// Threads that were replaced and have not returned yet.
    abandoned: usize,
    staged: Vec<QueuedRun>,
    /// The signal mask of the thread that created the pool; the pool's threads get it too.
    signal_mask: SigSet,
}

impl ThreadPool {
    pub(crate) fn new(slots: usize, executor: Executor, inbox: Sender<Message>) -> Self {
        ThreadPool {
            executor: Arc::new(executor),
            inbox,
            shared: Arc::default(),
            slots,
            occupied: 0,
            abandoned: 0,
            staged: Vec::new(),
            signal_mask: SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty()),
        }
    }

    /// Number of jobs that can be added when this many may wait for a slot.
    pub(crate) fn capacity(&self, prefetch: usize) -> usize {
        (self.slots + prefetch).saturating_sub(self.occupied)
    }

    /// Returns whether there are more jobs than slots.
    pub(crate) fn has_prefetched(&self) -> bool {
        self.occupied > self.slots
    }

    /// Returns whether a process runs this job. Its supervisor then enforces the deadline.
    pub(crate) fn is_supervised(&self, record: &Record) -> bool {
        self.executor.is_supervised(record.handler.as_deref())
    }

    /// Ends the processes that wait for another job. No run may be left.
    pub(crate) fn end_processes(&self) {
        self.executor.end_processes();
    }

    /// Adds a run. It starts after the next [`submit_staged`](Self::submit_staged), when a slot is free.
    pub(crate) fn stage(&mut self, run_id: RunId, context: Context, job: RunnableJob) -> RetireFlag {
        self.occupied += 1;
        let (retire_flag, staged_at) = (RetireFlag::default(), Instant::now());
        self.staged.push(QueuedRun { run_id, context, job, retire_flag: retire_flag.clone(), staged_at });
        retire_flag
    }

    /// Gives the staged runs to the threads, and starts more threads when too few are free.
    pub(crate) fn submit_staged(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        let missing = self.shared.submit(&mut self.staged, self.slots + self.abandoned);
        (0..missing).for_each(|_| self.start_thread());
    }

    /// Takes back all runs that wait for a slot, the latest first, if the first of them has waited for longer than
    /// `max_wait`.
    pub(crate) fn recall_overdue(&self, max_wait: Duration) -> Vec<RunId> {
        self.shared.recall_overdue(max_wait)
    }

    /// Takes the runs that have ended since the last call, and cancels [`notify_after`](Self::notify_after).
    pub(crate) fn take_ended(&self) -> Vec<EndedRun> {
        self.shared.take_ended()
    }

    /// Requests [`Message::RunsEnded`] when `count` runs have ended. Returns false, and requests nothing, when they
    /// have already.
    pub(crate) fn arm_notification(&self, count: usize) -> bool {
        self.shared.arm_notification(count)
    }

    /// Frees the slot of a run that has ended.
    pub(crate) fn release_slot(&mut self) {
        self.occupied = self.occupied.saturating_sub(1);
    }

    /// Frees the slot of a run whose thread does not return, for a new thread. Returns false, and changes nothing,
    /// when too many threads are abandoned already.
    pub(crate) fn abandon(&mut self, retire_flag: &RetireFlag) -> bool {
        if self.abandoned >= self.max_abandoned() {
            return false;
        }
        self.abandoned += 1;
        self.release_slot();
        retire_flag.set();
        true
    }

    /// Records that an abandoned thread has returned. The thread ends by itself.
    pub(crate) fn abandoned_returned(&mut self) {
        self.abandoned = self.abandoned.saturating_sub(1);
    }

    pub(crate) fn abandoned(&self) -> usize {
        self.abandoned
    }

    pub(crate) fn max_abandoned(&self) -> usize {
        self.slots * MAX_ABANDONED_PER_SLOT
    }

    fn start_thread(&self) {
        let (shared, executor) = (Arc::clone(&self.shared), Arc::clone(&self.executor));
        let (inbox, mask) = (self.inbox.clone(), self.signal_mask);
        std::thread::Builder::new()
            .name("rq-rs slot".to_owned())
            .spawn(move || {
                // The dispatcher, which starts this thread, has all signals blocked. Handlers and the programs
                // that they start would inherit that.
                let _ = mask.thread_set_mask();
                slot::run_jobs(&shared, &executor, &inbox);
            })
            .expect("the system has a thread left");
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.close();
    }
}
