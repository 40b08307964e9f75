//! The thread pool of a simulated worker: runs wait in the order of their start and get a thread as one is free.

use std::collections::VecDeque;

use crate::job::Outcome;
use crate::worker::run::RunId;

#[derive(Default)]
pub(super) struct SimulatedPool {
    staged: Vec<RunId>,
    queued: VecDeque<RunId>,
    threads: usize,
    sleeping: usize,
    ended: Vec<(RunId, Outcome)>,
    notify_at: Option<usize>,
}

impl SimulatedPool {
    pub(super) fn stage(&mut self, run: RunId) {
        self.staged.push(run);
    }

    /// Queues the staged runs, starts threads that are missing, and returns the runs that get a thread.
    pub(super) fn submit(&mut self, max_threads: usize) -> Vec<RunId> {
        self.queued.extend(self.staged.drain(..));
        let missing = self.queued.len().saturating_sub(self.sleeping);
        let missing = missing.min(max_threads.saturating_sub(self.threads));
        self.threads += missing;
        self.sleeping += missing;
        let count = self.sleeping.min(self.queued.len());
        self.sleeping -= count;
        self.queued.drain(..count).collect()
    }

    /// Removes and returns the runs that wait for a thread, the latest first. Those that are staged stay.
    pub(super) fn recall(&mut self) -> Vec<RunId> {
        self.queued.drain(..).rev().collect()
    }

    /// A thread hands its outcome over. Returns the next run of the thread, and whether the loop is to be woken.
    pub(super) fn end(&mut self, run: RunId, outcome: Outcome, retires: bool) -> (Option<RunId>, bool) {
        self.ended.push((run, outcome));
        let wakes = self.notify_at.is_some_and(|count| self.ended.len() >= count);
        if wakes {
            self.notify_at = None;
        }
        if retires {
            self.threads -= 1;
            return (None, wakes);
        }
        let next = self.queued.pop_front();
        self.sleeping += usize::from(next.is_none());
        (next, wakes)
    }

    pub(super) fn take_ended(&mut self) -> Vec<(RunId, Outcome)> {
        self.notify_at = None;
        std::mem::take(&mut self.ended)
    }

    pub(super) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Returns `false` if so many runs have ended already.
    pub(super) fn arm_notification(&mut self, count: usize) -> bool {
        let is_later = self.ended.len() < count;
        self.notify_at = is_later.then_some(count);
        is_later
    }
}
