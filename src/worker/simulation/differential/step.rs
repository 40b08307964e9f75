//! One call of a random sequence.

use super::super::model::Place;

/// Number of queues.
pub(super) const QUEUES: usize = 2;
/// Number of workers.
pub(super) const WORKERS: usize = 2;
/// Ids of jobs. The last two are never enqueued; one of them is no id.
pub(super) const JOBS: [&str; 7] = ["a", "b", "c", "d", "e", "gone", "no id!"];
/// Number of ids that are enqueued.
pub(super) const ENQUEUED: usize = 5;
/// One call of a script or command, or a change that somebody makes by hand. Runs and batches are counted from the
/// newest one, so that a step keeps its sense when another one is dropped.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Enqueue { queue: usize, job: usize, options: JobOptions },
    EnqueueAgain,
    Pop { queue: usize },
    Claim { worker: usize, slots: usize, excluded: Option<usize>, stray: Option<(usize, usize)> },
    Finish { runs: Vec<usize>, outcome: usize, has_default_retry: bool },
    FinishAgain { batch: usize },
    Recover { queue: usize, course: RecoveryCourse },
    SetField { job: usize, run: Option<usize> },
    Reclaim { worker: usize },
    Heartbeat { worker: usize, runs: Vec<usize> },
    PutBack { queue: usize, jobs: Vec<usize> },
    Promote { queue: usize },
    Cancel { queue: usize, job: usize, is_again: bool },
    Delete { queue: usize, job: usize },
    Requeue { queue: usize, registry: Place, jobs: Vec<usize>, is_again: bool },
    EnqueueNow { queue: usize, jobs: Vec<usize>, is_again: bool },
    SuspendAll { is_suspended: bool },
    Suspend { queue: usize, is_suspended: bool },
    SetLease { run: usize, offset: i64 },
    DeleteLease { run: usize },
    MakeDue { queue: usize, job: usize },
    PushId { queue: usize, list: Place, job: usize },
    ForgetRecord { job: usize },
    WriteField { job: usize, field: &'static str, value: &'static str },
    DeleteField { job: usize, field: &'static str },
    ClaimOfPython { queue: usize, job: usize, offset: i64 },
}

/// The course of a recovery, which takes two calls.
#[derive(Debug, Clone, Copy)]
pub(super) enum RecoveryCourse {
    Whole,
    /// The workers renew their leases between the two calls.
    Renewed,
    /// Other steps come between the two calls.
    Interrupted,
}

/// Options of a new job.
#[derive(Debug, Clone)]
pub(super) struct JobOptions {
    pub(super) at_front: bool,
    /// `Some(true)` for a job that is due, `Some(false)` for one that is due much later.
    pub(super) due: Option<bool>,
    pub(super) has_ttl: bool,
    /// Which of a few retry policies and times to keep it has.
    pub(super) policy: usize,
}
