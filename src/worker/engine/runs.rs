//! The runs of a worker: jobs that have begun, and jobs that were claimed and begin next.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;
use std::time::Instant;

use super::slots::Slots;
use crate::claim::ClaimedJob;
use crate::error::Result;
use crate::job::Outcome;
use crate::worker::input::ControlMessage;
use crate::worker::run::RunId;

/// A job that has a slot, or waits for one.
pub(super) struct ActiveRun {
    pub(super) job: ClaimedJob,
    /// The moment at which the run is abandoned; `None` if a supervisor enforces the deadline.
    pub(super) deadline: Option<Instant>,
    /// `true` if a process runs the job, which its supervisor ends.
    pub(super) is_supervised: bool,
    /// `true` once the driver was asked to set the run's cancel flag.
    pub(super) is_canceled: bool,
    /// The outcome that a [`ControlMessage`] has set for the run. A result of the handler has precedence.
    pub(super) control_outcome: Option<Outcome>,
}

pub(super) struct Runs {
    /// Hashed without random numbers, so that a simulation can be repeated.
    active: HashMap<RunId, ActiveRun, BuildHasherDefault<DefaultHasher>>,
    next: u64,
    /// Claimed jobs whose runs have not begun. Each has a slot or may be prefetched.
    pub(super) arrived: Vec<Result<ClaimedJob>>,
    /// Controls for jobs that may be in a claim in flight, each with the number of times that it found no run.
    pub(super) pending_controls: Vec<(ControlMessage, u8)>,
    pub(super) slots: Slots,
}

impl Runs {
    pub(super) fn new(slots: usize) -> Self {
        Runs {
            active: HashMap::default(),
            next: 0,
            arrived: Vec::new(),
            pending_controls: Vec::new(),
            slots: Slots::new(slots),
        }
    }

    /// Adds a run, which gets a slot or waits for one.
    pub(super) fn add(&mut self, run: ActiveRun, now: Instant) -> RunId {
        let id = RunId(self.next);
        self.next += 1;
        self.slots.occupy(id, now);
        self.active.insert(id, run);
        id
    }

    /// Removes a run. Its slot is still occupied.
    pub(super) fn remove(&mut self, run: RunId) -> Option<ActiveRun> {
        self.active.remove(&run)
    }

    pub(super) fn get_mut(&mut self, run: RunId) -> Option<&mut ActiveRun> {
        self.active.get_mut(&run)
    }

    pub(super) fn len(&self) -> usize {
        self.active.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ActiveRun> {
        self.active.values()
    }

    /// Returns the runs for which the predicate is true, in the order of their begin.
    pub(super) fn select(&self, predicate: impl Fn(&ActiveRun) -> bool) -> Vec<RunId> {
        let selected = self.active.iter().filter(|(_, run)| predicate(run));
        let mut selected: Vec<RunId> = selected.map(|(id, _)| *id).collect();
        selected.sort_unstable();
        selected
    }

    /// The first deadline of a run.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.iter().filter_map(|run| run.deadline).min()
    }
}
