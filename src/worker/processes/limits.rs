//! The options of a worker that concern its child processes.

use std::time::Duration;

use crate::worker::options::Options;

/// Limits of the processes that run jobs.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Maximum size of a result in bytes.
    pub(crate) max_result: usize,
    /// Time between TERM and KILL.
    pub(super) kill_after: Duration,
    /// Address space of a work horse in bytes (`RLIMIT_AS`).
    pub(super) horse_memory: Option<u64>,
    /// Resident memory in bytes above which a process is replaced after its job.
    pub(super) horse_recycle: Option<u64>,
    /// Number of jobs after which a process is replaced.
    pub(super) horse_max_jobs: Option<u32>,
}

impl Limits {
    pub(super) fn new(options: &Options) -> Self {
        Limits {
            max_result: options.max_result,
            kill_after: options.kill_after,
            horse_memory: options.horse_memory,
            horse_recycle: options.horse_recycle,
            horse_max_jobs: options.horse_max_jobs,
        }
    }
}
