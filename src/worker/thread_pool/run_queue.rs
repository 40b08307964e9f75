//! The queue between the driver and the pool's threads: runs go one way, their outcomes come back the other way.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::job::Outcome;
use crate::worker::context::Context;
use crate::worker::run::{RunId, RunnableJob};

pub(crate) type EndedRun = (RunId, Outcome);

/// A run that waits for a thread.
pub(super) struct QueuedRun {
    pub(super) run_id: RunId,
    pub(super) context: Context,
    pub(super) job: RunnableJob,
    pub(super) retire_flag: RetireFlag,
    pub(super) staged_at: Instant,
}

/// Set for a thread that has to end after its run, because another thread has taken its slot.
#[derive(Clone, Default)]
pub(crate) struct RetireFlag(Arc<AtomicBool>);

impl RetireFlag {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Number of threads that are waking up at a time. Each of them wakes the next one while runs wait, so that all
/// threads are awake within moments, but a handful of short jobs does not wake the whole pool.
const MAX_WAKEUPS: usize = 2;

/// Queued runs, and ended runs that the driver has not taken yet.
#[derive(Default)]
pub(super) struct RunQueue {
    state: Mutex<RunQueueState>,
    condvar: Condvar,
}

#[derive(Default)]
struct RunQueueState {
    queued: VecDeque<QueuedRun>,
    ended: Vec<EndedRun>,
    /// Number of ended runs at which the driver gets a message; `None` if it is awake.
    notify_at: Option<usize>,
    sleeping: usize,
    /// Threads that were woken and have not got the lock yet.
    waking: usize,
    threads: usize,
    is_closed: bool,
}

impl RunQueue {
    /// Queues the staged runs and wakes threads for them. Returns the number of threads to start, so that there are
    /// at most `max_threads`; they are counted already.
    pub(super) fn submit(&self, staged: &mut Vec<QueuedRun>, max_threads: usize) -> usize {
        let mut state = self.lock();
        state.queued.extend(staged.drain(..));
        self.wake_more(&mut state);
        // Threads between two runs do not sleep and take queued runs too, so this may be a few too many.
        let missing = state.queued.len().saturating_sub(state.sleeping);
        let missing = missing.min(max_threads.saturating_sub(state.threads));
        state.threads += missing;
        missing
    }

    pub(super) fn recall_overdue(&self, max_wait: Duration) -> Vec<RunId> {
        let mut state = self.lock();
        match state.queued.front() {
            Some(first) if first.staged_at.elapsed() >= max_wait => {
                state.queued.drain(..).rev().map(|run| run.run_id).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn take_ended(&self) -> Vec<EndedRun> {
        let mut state = self.lock();
        state.notify_at = None;
        std::mem::take(&mut state.ended)
    }

    pub(super) fn arm_notification(&self, count: usize) -> bool {
        let mut state = self.lock();
        let is_later = state.ended.len() < count;
        state.notify_at = is_later.then_some(count);
        is_later
    }

    /// Ends all threads; runs that wait are dropped.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.queued.clear();
        drop(state);
        self.condvar.notify_all();
    }

    /// Hands over the outcome of a thread's last run, and waits for the next run. Returns `None` when the thread is
    /// to end, because it is retired or the pool is closed. Calls `notify` when the driver waits for this end.
    pub(super) fn next_run(
        &self,
        ended: Option<EndedRun>,
        is_retired: bool,
        notify: impl Fn(),
    ) -> Option<QueuedRun> {
        let mut state = self.lock();
        state.ended.extend(ended);
        // The count is right before the driver is notified, so that it starts another thread for the next job.
        state.threads -= usize::from(is_retired);
        if state.notify_at.is_some_and(|count| state.ended.len() >= count) {
            state.notify_at = None;
            drop(state);
            notify();
            state = self.lock();
        }
        if is_retired { None } else { self.wait_for_run(state) }
    }

    fn wait_for_run(&self, mut state: MutexGuard<'_, RunQueueState>) -> Option<QueuedRun> {
        let mut was_woken = false;
        loop {
            if let Some(run) = state.queued.pop_front() {
                if was_woken {
                    self.wake_more(&mut state);
                }
                return Some(run);
            }
            if state.is_closed {
                return None;
            }
            state.sleeping += 1;
            state = self.condvar.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeping -= 1;
            state.waking = state.waking.saturating_sub(1);
            was_woken = true;
        }
    }

    /// Keeps up to [`MAX_WAKEUPS`] threads waking while runs wait and threads sleep.
    fn wake_more(&self, state: &mut RunQueueState) {
        while state.waking < MAX_WAKEUPS.min(state.queued.len()).min(state.sleeping) {
            state.waking += 1;
            self.condvar.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, RunQueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
