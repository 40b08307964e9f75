//! One call of a random sequence.

use fastrand::Rng;

use super::super::model::Place;

/// Number of queues.
pub(super) const QUEUES: usize = 2;
/// Number of workers.
pub(super) const WORKERS: usize = 2;
/// Ids of jobs. The last two are never enqueued; one of them is no id.
pub(super) const JOBS: [&str; 7] = ["a", "b", "c", "d", "e", "gone", "no id!"];
/// Number of ids that are enqueued.
const ENQUEUED: usize = 5;
/// Fields that are written by hand, with the value.
const FIELDS: [(&str, &str); 12] = [
    ("status", "queued"),
    ("status", "started"),
    ("status", "created"),
    ("status", "happy"),
    ("status", ""),
    ("execution_id", "another"),
    ("worker_name", "worker-1"),
    ("started_at", ""),
    ("deliveries", "7"),
    ("deliveries", "many"),
    ("retries_left", "4"),
    ("adopted", "1"),
];
/// Fields that are deleted by hand.
const DELETED: [&str; 5] = ["status", "execution_id", "data", "worker_name", "deliveries"];
/// Seconds from now of the scores that leases get by hand: passed, within the margin of the dialect rq, far away.
const OFFSETS: [i64; 5] = [-1000, -1000, -1000, 20, 1000];

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

impl Step {
    pub(super) fn random(rng: &mut Rng) -> Self {
        match rng.u32(0..100) {
            0..14 => Step::Enqueue { queue: queue(rng), job: rng.usize(0..ENQUEUED), options: options(rng) },
            14..16 => Step::EnqueueAgain,
            16..22 => Step::Pop { queue: queue(rng) },
            22..38 => Step::Claim {
                worker: rng.usize(0..WORKERS),
                slots: rng.usize(0..4),
                excluded: (rng.u8(0..8) == 0).then(|| queue(rng)),
                stray: (rng.u8(0..8) == 0).then(|| (queue(rng), job(rng))),
            },
            38..52 => {
                Step::Finish { runs: runs(rng), outcome: rng.usize(0..7), has_default_retry: rng.bool() }
            }
            52..56 => Step::FinishAgain { batch: rng.usize(0..3) },
            56..62 => {
                use RecoveryCourse::{Interrupted, Renewed, Whole};
                let course = [Whole, Whole, Renewed, Interrupted][rng.usize(0..4)];
                Step::Recover { queue: queue(rng), course }
            }
            62..66 => Step::Heartbeat { worker: rng.usize(0..WORKERS), runs: runs(rng) },
            66..68 => Step::SetField { job: job(rng), run: rng.bool().then(|| rng.usize(0..3)) },
            68..71 => Step::PutBack { queue: queue(rng), jobs: jobs(rng) },
            71..73 => Step::Promote { queue: queue(rng) },
            73..85 => Self::random_action(rng),
            _ => Self::random_change(rng),
        }
    }

    /// An action of a person.
    fn random_action(rng: &mut Rng) -> Self {
        let (queue, is_again) = (queue(rng), rng.u8(0..5) == 0);
        match rng.u8(0..12) {
            0..3 => Step::Cancel { queue, job: job(rng), is_again },
            3..5 => Step::Delete { queue, job: job(rng) },
            5..8 => {
                let registry =
                    [Place::Failed, Place::Failed, Place::Canceled, Place::Finished][rng.usize(0..4)];
                Step::Requeue { queue, registry, jobs: jobs(rng), is_again }
            }
            8..10 => Step::EnqueueNow { queue, jobs: jobs(rng), is_again },
            10 => Step::SuspendAll { is_suspended: rng.u8(0..3) == 0 },
            _ => Step::Suspend { queue, is_suspended: rng.bool() },
        }
    }

    /// A change that no script makes.
    fn random_change(rng: &mut Rng) -> Self {
        let (queue, offset) = (queue(rng), OFFSETS[rng.usize(0..OFFSETS.len())]);
        match rng.u8(0..15) {
            0..4 => Step::SetLease { run: rng.usize(0..3), offset },
            4 => Step::DeleteLease { run: rng.usize(0..4) },
            5..7 => Step::MakeDue { queue, job: job(rng) },
            7..9 => Step::PushId { queue, list: Place::List, job: rng.usize(0..JOBS.len()) },
            9 => Step::PushId { queue, list: Place::Intermediate, job: rng.usize(0..JOBS.len()) },
            10 => Step::ForgetRecord { job: job(rng) },
            11 => Step::DeleteField { job: job(rng), field: DELETED[rng.usize(0..DELETED.len())] },
            12..14 => {
                let (field, value) = FIELDS[rng.usize(0..FIELDS.len())];
                Step::WriteField { job: job(rng), field, value }
            }
            _ => Step::ClaimOfPython { queue, job: job(rng), offset },
        }
    }
}

fn queue(rng: &mut Rng) -> usize {
    // One queue is busier than the other, so that jobs meet each other.
    usize::from(rng.u8(0..5) == 0)
}

fn job(rng: &mut Rng) -> usize {
    rng.usize(0..ENQUEUED)
}

fn jobs(rng: &mut Rng) -> Vec<usize> {
    (0..rng.usize(1..7)).map(|_| rng.usize(0..JOBS.len())).collect()
}

fn runs(rng: &mut Rng) -> Vec<usize> {
    (0..rng.usize(1..4)).map(|_| rng.usize(0..4)).collect()
}

fn options(rng: &mut Rng) -> JobOptions {
    JobOptions {
        at_front: rng.u8(0..4) == 0,
        due: (rng.u8(0..4) == 0).then(|| rng.bool()),
        has_ttl: rng.u8(0..5) == 0,
        policy: rng.usize(0..6),
    }
}
