//! The model and a real Redis, which get the same calls.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};

use super::super::model::RedisModel;
use super::step::{QUEUES, Step, WORKERS};
use crate::Dialect;
use crate::claim::{ClaimedJob, Claimer, ExecutionIds, ExecutionRange};
use crate::client::{Client, RedisCommand, Reply};
use crate::completion::Completion;
use crate::dialect::QueueKeys;
use crate::enqueue_call::EncodedJob;
use crate::job::RawHash;

/// Length of leases, so long that none expires by itself.
pub(super) const LEASE: Duration = Duration::from_secs(1000);

/// Model and Redis, and the caller's side of both.
pub(super) struct Pair {
    pub(super) client: Arc<Client>,
    pub(super) queues: Vec<QueueKeys>,
    pub(super) model: RedisModel,
    pub(super) claimers: Vec<Claimer>,
    pub(super) executions: Vec<ExecutionIds>,
    /// The executions of all claims of each worker.
    pub(super) claims: Vec<Vec<ExecutionRange>>,
    /// The newest enqueued job.
    pub(super) enqueued: Option<(usize, EncodedJob)>,
    /// Ids that a watcher has popped and no claim has taken yet.
    pub(super) popped: Vec<(usize, String)>,
    pub(super) runs: Vec<KnownRun>,
    /// Batches of completions that were sent, or will be.
    pub(super) batches: Vec<Vec<Completion>>,
    /// Time of the last call of a person.
    pub(super) acted_at: DateTime<Utc>,
    /// Time of the current step.
    pub(super) now: DateTime<Utc>,
}

/// A run that a claim has given to a worker. It can end more than once here.
pub(super) struct KnownRun {
    pub(super) worker: usize,
    pub(super) queue: usize,
    pub(super) id: String,
    pub(super) execution: String,
    fields: RawHash,
    started_at: DateTime<Utc>,
}

impl KnownRun {
    pub(super) fn of(job: &ClaimedJob, worker: usize, fields: RawHash) -> Self {
        KnownRun {
            worker,
            queue: job.queue,
            id: job.record.id.clone(),
            execution: job.execution.clone(),
            fields,
            started_at: job.started_at,
        }
    }

    pub(super) fn claimed_job(&self) -> ClaimedJob {
        let run = (self.id.as_str(), self.execution.clone());
        ClaimedJob::read(self.queue, run, self.fields.clone(), self.started_at, &worker_name(self.worker))
    }

    pub(super) fn lease_member(&self) -> String {
        format!("{}:{}", self.id, self.execution)
    }
}

pub(super) fn worker_name(worker: usize) -> String {
    format!("worker-{worker}")
}

impl Pair {
    /// Begins with an empty model and an empty Redis.
    pub(super) fn new(client: &Arc<Client>, dialect: Dialect) -> Self {
        let queues: Vec<QueueKeys> = (0..QUEUES).map(|n| client.keys.queue(&format!("queue-{n}"))).collect();
        let claimers = (0..WORKERS).map(|worker| Claimer::new(client, &queues, &worker_name(worker), LEASE));
        let now = Utc::now();
        let pair = Pair {
            client: Arc::clone(client),
            model: RedisModel::new(dialect.spec(), QUEUES, now.timestamp_micros()),
            claimers: claimers.collect(),
            queues,
            executions: (1..=WORKERS as u128).map(|worker| ExecutionIds::new(worker << 64)).collect(),
            claims: vec![Vec::new(); WORKERS],
            enqueued: None,
            popped: Vec::new(),
            runs: Vec::new(),
            batches: Vec::new(),
            acted_at: now,
            now,
        };
        pair.call(&RedisCommand::new("FLUSHALL"));
        pair
    }

    /// Makes the same call on both sides. The error says how the replies differ.
    pub(super) fn apply(&mut self, step: &Step) -> Result<(), String> {
        // Texts have microseconds.
        self.now = Utc::now().trunc_subsecs(6);
        self.model.set_now(self.now.timestamp_micros());
        match self.apply_worker_step(step) {
            Some(result) => result,
            None => self.apply_action(step).unwrap_or_else(|| {
                self.apply_change(step);
                Ok(())
            }),
        }
    }

    /// The n-th newest run.
    pub(super) fn run(&self, n: usize) -> Option<&KnownRun> {
        self.runs.iter().rev().nth(n)
    }

    pub(super) fn call(&self, command: &RedisCommand) -> Reply {
        self.client.call(command).unwrap()
    }
}

/// Compares the replies of both sides.
pub(super) fn same(model: &impl std::fmt::Debug, redis: &impl std::fmt::Debug) -> Result<(), String> {
    let (model, redis) = (format!("{model:?}"), format!("{redis:?}"));
    if model == redis {
        Ok(())
    } else {
        Err(format!("the model replies {model}\n    and Redis replies {redis}"))
    }
}
