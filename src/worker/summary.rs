//! The counts that a worker returns at its end.

/// The number of runs of a worker, by result. Only results that Redis has confirmed are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Jobs that finished.
    pub finished: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Runs that failed and will be retried.
    pub retried: u64,
    /// Jobs that were put back unfinished because the worker was stopped.
    pub put_back: u64,
    /// Runs whose completion was fenced: nothing was written, because the job was canceled, deleted or recovered
    /// meanwhile.
    pub stale: u64,
}
