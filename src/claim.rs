//! The `claim` script: its arguments and its reply.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::client::scripts::CLAIM;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::{DEFAULT_TIMEOUT, RawHash, ReadMode, Record, iso};

/// States in the script's reply: see `src/lua/README.md`.
const QUEUES_ARE_EMPTY: i64 = 0;
const ALL_SUSPENDED: i64 = 2;

/// A claim stops after this many bytes of payload, so that many large jobs do not arrive at once.
const PAYLOAD_BUDGET: usize = 8 * 1024 * 1024;

/// A job that this worker has claimed and holds the lease of. [`Completion`](crate::completion::Completion)
/// consumes it; it is not `Clone`, so that it cannot be completed twice.
#[must_use = "a job that was claimed must be completed"]
#[derive(Debug)]
pub(crate) struct ClaimedJob {
    /// Index of the job's queue in the worker's order.
    pub(crate) queue: usize,
    pub(crate) execution: String,
    pub(crate) record: Record,
    /// The payload as it is stored, for an executor that decodes it itself.
    pub(crate) payload: Vec<u8>,
    pub(crate) started_at: DateTime<Utc>,
    /// Name of the worker that has claimed the job.
    pub(crate) worker: String,
}

impl ClaimedJob {
    /// Time limit of the run; `None` for no limit.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        match self.record.timeout {
            Some(-1) => None,
            Some(seconds) if seconds > 0 => Some(Duration::from_secs(seconds.unsigned_abs())),
            _ => Some(Duration::from_secs(DEFAULT_TIMEOUT.as_seconds().unsigned_abs())),
        }
    }

    /// The lease's entry in the queue's `wip`: it keeps recovery away from the job.
    pub(crate) fn lease_member(&self) -> String {
        format!("{}:{}", self.record.id, self.execution)
    }
}

/// An id that a watcher's blocking pop has moved to the intermediate list.
#[derive(Debug)]
pub(crate) struct PoppedId {
    pub(crate) queue: usize,
    pub(crate) id: Vec<u8>,
}

/// The decoded reply of a claim. Queues are indices in the worker's order.
#[derive(Debug, Default)]
pub(crate) struct ClaimReply {
    /// The claimed jobs, each for [`Claimer::decode_job`].
    pub(crate) jobs: Vec<Reply>,
    /// `true` if every queue was read to its end.
    pub(crate) queues_are_empty: bool,
    /// `true` if all queues are suspended at once (`suspend` without a queue).
    pub(crate) all_suspended: bool,
    pub(crate) suspended_queues: Vec<usize>,
    /// Queues with a key of a wrong type, because another program uses its name. They give no jobs.
    pub(crate) wrong_type_queues: Vec<usize>,
    /// Ids under which no job waits: without a record, or of jobs that run, are scheduled or have ended.
    pub(crate) dropped: Vec<String>,
    /// Ids whose record cannot be read; they are in the registry of unreadable jobs now.
    pub(crate) quarantined: Vec<String>,
}

/// The execution ids that a claim may give to jobs: a prefix and a range of sequence numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecutionRange {
    prefix: String,
    start: u32,
    end: u32,
}

impl ExecutionRange {
    /// The part that all its execution ids begin with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn contains(&self, execution: &str) -> bool {
        let sequence = execution.strip_prefix(&self.prefix).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        sequence.is_some_and(|sequence| (self.start..self.end).contains(&sequence))
    }

    /// Extends the range by the one that follows it. Returns false, and changes nothing, for any other range.
    pub(crate) fn try_extend(&mut self, next: &ExecutionRange) -> bool {
        let follows = self.prefix == next.prefix && self.end == next.start;
        if follows {
            self.end = next.end;
        }
        follows
    }
}

/// Encodes the claims of one worker and decodes their replies.
pub(crate) struct Claimer {
    keys: Vec<String>,
    worker: String,
    lease: Duration,
    /// First part of the execution ids; the sequence number is the rest.
    execution_prefix: String,
    sequence: u32,
    keys_checked_at: Option<DateTime<Utc>>,
}

impl Claimer {
    pub(crate) fn new(client: &Client, queues: &[QueueKeys], worker: &str, lease: Duration) -> Self {
        let mut keys = vec![client.keys.suspended(), client.keys.suspended_queues()];
        for queue in queues {
            keys.extend([&queue.list, &queue.intermediate, &queue.wip, &queue.unreadable].map(String::clone));
            keys.extend([&queue.scheduled, &queue.finished, &queue.failed].map(String::clone));
        }
        let (worker, execution_prefix) = (worker.to_owned(), new_execution_prefix());
        Claimer { keys, worker, lease, execution_prefix, sequence: 0, keys_checked_at: None }
    }

    /// Lets the next claim check the types of all keys, because one of them was wrong.
    pub(crate) fn request_key_check(&mut self) {
        self.keys_checked_at = None;
    }

    /// Encodes the next claim, for this many free slots, and returns the execution ids that it may give to jobs. The
    /// claim leaves out the `excluded` queues and includes the `popped` ids. It must not be repeated: each call claims
    /// other jobs.
    pub(crate) fn next_claim<'a>(
        &mut self,
        client: &Client,
        slots: usize,
        (excluded, popped): (impl Iterator<Item = &'a usize>, &[PoppedId]),
        now: DateTime<Utc>,
    ) -> (ExecutionRange, RedisCommand) {
        let checks_keys = self.is_key_check_due(now);
        let excluded = excluded.map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let call = self.encode(client, slots, now).arg(u8::from(checks_keys)).arg(excluded);
        let call = popped.iter().fold(call, |call, popped| call.arg(popped.queue).arg(&popped.id));
        if checks_keys {
            self.keys_checked_at = Some(now);
        }
        (self.take_executions(slots), call)
    }

    /// Encodes the arguments that every claim has.
    fn encode(&self, client: &Client, slots: usize, now: DateTime<Utc>) -> RedisCommand {
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        RedisCommand::evalsha(&CLAIM, &keys)
            .arg(client.dialect.pop)
            .arg(client.dialect.push_front)
            .arg(client.keys.job_prefix())
            .arg(slots)
            .arg(self.lease.as_secs_f64())
            .arg(&self.worker)
            .arg(iso(now))
            .arg(&self.execution_prefix)
            .arg(self.sequence)
            .arg(PAYLOAD_BUDGET)
            .arg(client.dialect.lease_score_offset.as_secs())
            .arg(u8::from(client.dialect.integer_scores))
            .arg(client.rq.key_patterns())
    }

    /// Types are checked once a second: another program takes a key rarely, and a check costs as much as a job.
    fn is_key_check_due(&self, now: DateTime<Utc>) -> bool {
        self.keys_checked_at.is_none_or(|at| (now - at).num_seconds() != 0)
    }

    /// Uses up one execution id for each slot.
    fn take_executions(&mut self, slots: usize) -> ExecutionRange {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX / 4);
        let (start, end) = (self.sequence, self.sequence.saturating_add(slots));
        let executions = ExecutionRange { prefix: self.execution_prefix.clone(), start, end };
        self.sequence = end;
        if self.sequence > u32::MAX / 2 {
            self.execution_prefix = new_execution_prefix();
            self.sequence = 0;
        }
        executions
    }

    pub(crate) fn decode_reply(reply: Reply) -> Result<ClaimReply> {
        let mut parts = reply::list(reply)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let state = reply::int(&part())?;
        let mut claim = ClaimReply {
            queues_are_empty: state == QUEUES_ARE_EMPTY,
            all_suspended: state == ALL_SUSPENDED,
            ..ClaimReply::default()
        };
        claim.jobs = reply::list(part())?;
        for queue in reply::list(part())? {
            match reply::int(&queue)? {
                queue @ 0.. => claim.suspended_queues.push(queue as usize),
                wrong_type => claim.wrong_type_queues.push((-1 - wrong_type) as usize),
            }
        }
        claim.dropped = reply::texts(part())?;
        claim.quarantined = reply::texts(part())?;
        Ok(claim)
    }

    /// Decodes one job of a [`ClaimReply`].
    pub(crate) fn decode_job(&self, job: Reply, started_at: DateTime<Utc>) -> Result<ClaimedJob> {
        let mut parts = reply::list(job)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let queue = reply::int(&part())? as usize;
        let id = reply::text(part())?.unwrap_or_default();
        let execution = reply::text(part())?.unwrap_or_default();
        let fields = RawHash(reply::pairs(part())?);
        let record = Record::read(&id, &fields, ReadMode::Run);
        let (payload, worker) = (fields.into_payload(), self.worker.clone());
        Ok(ClaimedJob { queue, execution, record, payload, started_at, worker })
    }
}

/// 24 hex digits; with the eight of the sequence number they make an execution id as long as RQ's.
fn new_execution_prefix() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(24);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(prefix: &str, start: u32, end: u32) -> ExecutionRange {
        ExecutionRange { prefix: prefix.to_owned(), start, end }
    }

    #[test]
    fn a_range_contains_the_executions_of_its_claims_only() {
        let mut claims = range("aa", 8, 16);
        assert!(claims.contains("aa00000008") && claims.contains("aa0000000f"));
        assert!(!claims.contains("aa00000010") && !claims.contains("ab00000008") && !claims.contains("aa"));
        assert!(claims.try_extend(&range("aa", 16, 17)));
        assert!(claims.contains("aa00000010"));
        assert!(!claims.try_extend(&range("aa", 20, 21)) && !claims.try_extend(&range("ab", 17, 18)));
        assert_eq!(claims, range("aa", 8, 17));
    }
}
