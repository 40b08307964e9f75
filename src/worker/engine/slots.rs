//! Which runs hold the worker's slots. Slots are given in the order in which runs begin: a prefetched run waits until a
//! run before it frees one.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::worker::run::RunId;

/// Limit of the replaced threads for each slot. A thread cannot be killed: when a run is past its timeout, its thread is
/// abandoned and another one takes the slot, until too many abandoned threads still run.
const MAX_REPLACED_PER_SLOT: usize = 4;

/// A thread that still works after its run was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq)]
enum AbandonedThread {
    /// Another thread has the slot.
    Replaced,
    /// The thread holds its slot until it returns.
    HoldsSlot,
}

pub(super) struct Slots {
    total: usize,
    /// Runs that hold a slot or wait for one, and abandoned threads that hold a slot.
    occupied: usize,
    /// Prefetched runs that wait for a slot, with the time since when.
    waiting: VecDeque<(RunId, Instant)>,
    /// The abandoned threads, by the run that each works on.
    abandoned: BTreeMap<RunId, AbandonedThread>,
}

impl Slots {
    pub(super) fn new(total: usize) -> Self {
        Slots { total, occupied: 0, waiting: VecDeque::new(), abandoned: BTreeMap::new() }
    }

    /// Number of jobs that can be added when this many may wait for a slot.
    pub(super) fn capacity(&self, prefetch: usize) -> usize {
        (self.total + prefetch).saturating_sub(self.occupied)
    }

    /// Number of runs and abandoned threads that hold a slot or wait for one.
    #[cfg(test)]
    pub(super) fn occupied(&self) -> usize {
        self.occupied
    }

    /// Gives a slot to a run, or lets it wait for one.
    pub(super) fn occupy(&mut self, run: RunId, now: Instant) {
        if self.occupied >= self.total {
            self.waiting.push_back((run, now));
        }
        self.occupied += 1;
    }

    /// Frees the slot of a run, for the first run that waits; or ends the wait of a run.
    pub(super) fn release(&mut self, run: RunId) {
        self.occupied = self.occupied.saturating_sub(1);
        // Later runs wait longer, so the list is sorted.
        let position = self.waiting.binary_search_by_key(&run, |(waiting, _)| *waiting);
        self.waiting.remove(position.unwrap_or(0));
    }

    /// The time since when the first of the prefetched runs waits.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.waiting.front().map(|(_, since)| *since)
    }

    /// Lets all runs that wait begin their wait anew. The pool has been asked for them: those that it did not give back
    /// have got a slot meanwhile, and the end of the run before them is not known here yet.
    pub(super) fn restart_waits(&mut self, now: Instant) {
        self.waiting.iter_mut().for_each(|(_, since)| *since = now);
    }

    /// Records that a thread works on after the end of its run. With `replace`, another thread gets its slot, unless
    /// too many were replaced already. Returns whether it does.
    pub(super) fn abandon(&mut self, run: RunId, replace: bool) -> bool {
        let is_replaced = replace && self.replaced() < self.max_replaced();
        if is_replaced {
            self.release(run);
        }
        let thread = if is_replaced { AbandonedThread::Replaced } else { AbandonedThread::HoldsSlot };
        self.abandoned.insert(run, thread);
        is_replaced
    }

    /// Records that an abandoned thread has returned from this run.
    pub(super) fn on_abandoned_returned(&mut self, run: RunId) {
        if self.abandoned.remove(&run) == Some(AbandonedThread::HoldsSlot) {
            self.release(run);
        }
    }

    /// Number of abandoned threads that still run.
    pub(super) fn abandoned(&self) -> usize {
        self.abandoned.len()
    }

    /// Returns `true` if an abandoned thread holds each slot.
    pub(super) fn are_exhausted(&self) -> bool {
        self.abandoned.len() - self.replaced() == self.total
    }

    /// Number of abandoned threads whose slot another thread has.
    pub(super) fn replaced(&self) -> usize {
        self.abandoned.values().filter(|thread| **thread == AbandonedThread::Replaced).count()
    }

    /// Largest number of abandoned threads that are replaced.
    pub(super) fn max_replaced(&self) -> usize {
        self.total * MAX_REPLACED_PER_SLOT
    }
}
