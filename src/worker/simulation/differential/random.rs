//! Random calls. Most of them are about jobs that are where the call looks for them, the others are about any job.

use fastrand::Rng;

use super::super::model::{Place, RedisModel};
use super::pair::Pair;
use super::step::{ENQUEUED, JOBS, JobOptions, QUEUES, RecoveryCourse, Step, WORKERS};

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

/// Dice, and the state of which the next call is likely to be.
pub(super) struct Generator<'a> {
    rng: &'a mut Rng,
    pair: &'a Pair,
}

impl<'a> Generator<'a> {
    pub(super) fn new(rng: &'a mut Rng, pair: &'a Pair) -> Self {
        Generator { rng, pair }
    }

    pub(super) fn step(&mut self) -> Step {
        match self.rng.u32(0..100) {
            0..14 => self.enqueue(),
            14..16 => Step::EnqueueAgain,
            16..22 => Step::Pop { queue: self.queue() },
            22..36 => self.claim(),
            36..50 => {
                let outcome = self.rng.usize(0..7);
                Step::Finish { runs: self.runs(), outcome, has_default_retry: self.rng.bool() }
            }
            50..54 => Step::FinishAgain { batch: self.rng.usize(0..3) },
            54..60 => self.recover(),
            60..65 => {
                let runs = self.runs();
                let worker = self.pair.run(runs[0]).map_or(0, |run| run.worker);
                Step::Heartbeat { worker, runs }
            }
            65..68 => {
                let run = self.rng.usize(0..4);
                Step::SetField { job: self.job(), run: (!self.one_in(3)).then_some(run) }
            }
            68..71 => {
                let (queue, jobs) = self.jobs_in(&[Place::Intermediate]);
                Step::PutBack { queue, jobs }
            }
            71..73 => Step::Promote { queue: self.queue() },
            73 => Step::Reclaim { worker: self.rng.usize(0..WORKERS) },
            74..86 => self.action(),
            _ => self.change(),
        }
    }

    fn enqueue(&mut self) -> Step {
        let options = JobOptions {
            at_front: self.one_in(4),
            due: self.one_in(4).then(|| self.rng.bool()),
            has_ttl: self.one_in(5),
            policy: self.rng.usize(0..6),
        };
        Step::Enqueue { queue: self.queue(), job: self.rng.usize(0..ENQUEUED), options }
    }

    fn claim(&mut self) -> Step {
        let excluded = self.one_in(8).then(|| self.queue());
        let stray = self.one_in(8).then(|| (self.queue(), self.job()));
        Step::Claim { worker: self.rng.usize(0..WORKERS), slots: self.rng.usize(0..4), excluded, stray }
    }

    fn recover(&mut self) -> Step {
        use RecoveryCourse::{Interrupted, Renewed, Whole};
        let course = [Whole, Whole, Renewed, Interrupted][self.rng.usize(0..4)];
        let (queue, _) = self.job_in(&[Place::Wip]);
        Step::Recover { queue, course }
    }

    /// An action of a person.
    fn action(&mut self) -> Step {
        const ANY: [Place; 4] = [Place::List, Place::Wip, Place::Scheduled, Place::Intermediate];
        let is_again = self.one_in(5);
        match self.rng.u8(0..12) {
            0..3 => {
                let (queue, job) = self.job_in(&ANY);
                Step::Cancel { queue, job, is_again }
            }
            3..5 => {
                let (queue, job) = self.job_in(&ANY);
                Step::Delete { queue, job }
            }
            5..8 => {
                let registry =
                    [Place::Failed, Place::Failed, Place::Canceled, Place::Finished][self.rng.usize(0..4)];
                let (queue, jobs) = self.jobs_in(&[registry]);
                Step::Requeue { queue, registry, jobs, is_again }
            }
            8..10 => {
                let (queue, jobs) = self.jobs_in(&[Place::Scheduled]);
                Step::EnqueueNow { queue, jobs, is_again }
            }
            10 => Step::SuspendAll { is_suspended: self.one_in(3) },
            _ => Step::Suspend { queue: self.queue(), is_suspended: self.one_in(3) },
        }
    }

    /// A change that no script makes.
    fn change(&mut self) -> Step {
        let offset = OFFSETS[self.rng.usize(0..OFFSETS.len())];
        match self.rng.u8(0..15) {
            0..4 => Step::SetLease { run: self.run(), offset },
            4 => Step::DeleteLease { run: self.run() },
            5..7 => {
                let (queue, job) = self.job_in(&[Place::Scheduled]);
                Step::MakeDue { queue, job }
            }
            7..10 => {
                let list = if self.one_in(3) { Place::Intermediate } else { Place::List };
                Step::PushId { queue: self.queue(), list, job: self.rng.usize(0..JOBS.len()) }
            }
            10 => Step::ForgetRecord { job: self.job() },
            11 => Step::DeleteField { job: self.job(), field: DELETED[self.rng.usize(0..DELETED.len())] },
            12..14 => {
                let (field, value) = FIELDS[self.rng.usize(0..FIELDS.len())];
                Step::WriteField { job: self.job(), field, value }
            }
            _ => {
                let (queue, job) = self.job_in(&[Place::List]);
                Step::ClaimOfPython { queue, job, offset }
            }
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(0..n) == 0
    }

    /// One queue is busier than the other, so that jobs meet each other.
    fn queue(&mut self) -> usize {
        if self.one_in(5) { self.rng.usize(0..QUEUES) } else { 0 }
    }

    fn job(&mut self) -> usize {
        self.rng.usize(0..ENQUEUED)
    }

    /// A queue and a job, most often one that is in one of these places.
    fn job_in(&mut self, places: &[Place]) -> (usize, usize) {
        let any = (self.queue(), self.job());
        let there: Vec<(usize, usize)> = jobs_in(&self.pair.model, places);
        if there.is_empty() || self.one_in(5) { any } else { there[self.rng.usize(0..there.len())] }
    }

    /// A queue and a few jobs, most often with one that is in one of these places.
    fn jobs_in(&mut self, places: &[Place]) -> (usize, Vec<usize>) {
        let (queue, job) = self.job_in(places);
        let mut jobs: Vec<usize> = (0..self.rng.usize(0..4)).map(|_| self.rng.usize(0..JOBS.len())).collect();
        jobs.insert(self.rng.usize(0..=jobs.len()), job);
        (queue, jobs)
    }

    /// A run, counted from the newest one; most often one that has its lease.
    fn run(&mut self) -> usize {
        let any = self.rng.usize(0..4);
        let model = &self.pair.model;
        let has_lease = |n: &usize| {
            let run = self.pair.run(*n).map(|run| (run.queue, run.lease_member()));
            run.is_some_and(|(queue, member)| {
                model.entries(queue, Place::Wip).any(|(_, entry)| entry == member)
            })
        };
        let live: Vec<usize> = (0..self.pair.runs.len()).filter(has_lease).collect();
        if live.is_empty() || self.one_in(5) { any } else { live[self.rng.usize(0..live.len())] }
    }

    fn runs(&mut self) -> Vec<usize> {
        (0..self.rng.usize(1..4)).map(|_| self.run()).collect()
    }
}

fn jobs_in(model: &RedisModel, places: &[Place]) -> Vec<(usize, usize)> {
    let of_job = |job: usize| {
        let there = model.places(JOBS[job]).iter().filter(|(_, place)| places.contains(place));
        there.map(move |(queue, _)| (*queue, job)).collect::<Vec<_>>()
    };
    (0..JOBS.len()).flat_map(of_job).collect()
}
