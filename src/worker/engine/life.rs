//! The phases of a worker's life, from running to stopped.

use std::time::Instant;

use crate::error::Result;
use crate::worker::phase::Phase;

#[derive(Default)]
pub(super) struct Life {
    /// The phase that the stopper asks for.
    pub(super) phase: Phase,
    pub(super) is_quiet: bool,
    pub(super) idle_since: Option<Instant>,
    /// Set once the worker claims no more jobs, because it was told to stop or its options end it.
    pub(super) draining_since: Option<Instant>,
    /// The moment since which a draining worker has no work left.
    pub(super) drained_at: Option<Instant>,
    pub(super) are_watchers_unblocked: bool,
    /// The result of the worker, once it has ended.
    pub(super) result: Option<Result<()>>,
}

impl Life {
    pub(super) fn is_stopping(&self) -> bool {
        self.phase != Phase::Running
    }

    pub(super) fn is_terminating(&self) -> bool {
        self.phase == Phase::Terminating
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining_since.is_some()
    }
}
