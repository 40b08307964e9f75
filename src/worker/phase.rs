//! The phases of a worker's life.

/// Phase of a worker's life, from running to its end. Phases only advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    /// The worker claims jobs and runs them.
    #[default]
    Running,
    /// Warm shutdown: the worker claims no more jobs and ends when its running jobs have ended.
    Draining,
    /// Cold shutdown: the worker puts its running jobs back and ends.
    Terminating,
}
