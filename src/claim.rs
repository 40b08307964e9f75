//! The `claim` script: its arguments and its reply.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::client::scripts::Claim;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::{DEFAULT_TIMEOUT, RawHash, ReadMode, Record, iso};

/// States in the script's reply: see `src/lua/README.md`.
const QUEUES_ARE_EMPTY: i64 = 0;
const ALL_SUSPENDED: i64 = 2;

/// A claim stops after this many bytes of payload, so that many large jobs do not arrive at once.
pub(crate) const PAYLOAD_BUDGET: usize = 8 * 1024 * 1024;

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

    /// Decodes the record of a job that a claim has given to this worker.
    pub(crate) fn read(
        queue: usize,
        (id, execution): (&str, String),
        fields: RawHash,
        started_at: DateTime<Utc>,
        worker: &str,
    ) -> Self {
        let record = Record::read(id, &fields, ReadMode::Run);
        let (payload, worker) = (fields.into_payload(), worker.to_owned());
        ClaimedJob { queue, execution, record, payload, started_at, worker }
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
    /// The claimed jobs; an error for one that cannot be decoded.
    pub(crate) jobs: Vec<Result<ClaimedJob>>,
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

    /// The execution id of the n-th job of the claim, as the script makes it.
    #[cfg(test)]
    pub(crate) fn nth(&self, n: u32) -> String {
        format!("{}{:08x}", self.prefix, self.start + n)
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

/// Generates the execution ids of one worker: a prefix and a sequence number.
#[derive(Debug)]
pub(crate) struct ExecutionIds {
    prefix: String,
    next: u32,
}

impl ExecutionIds {
    /// `random` has to differ from that of any other worker.
    pub(crate) fn new(random: u128) -> Self {
        // 24 hex digits; with the eight of the sequence number they make an execution id as long as RQ's.
        let mut prefix = format!("{random:032x}");
        prefix.truncate(24);
        ExecutionIds { prefix, next: 0 }
    }

    /// Uses up one execution id for each slot.
    pub(crate) fn take(&mut self, slots: usize, random: impl FnOnce() -> u128) -> ExecutionRange {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX / 4);
        let (start, end) = (self.next, self.next.saturating_add(slots));
        let executions = ExecutionRange { prefix: self.prefix.clone(), start, end };
        self.next = end;
        if self.next > u32::MAX / 2 {
            *self = ExecutionIds::new(random());
        }
        executions
    }
}

/// A claim, ready to be sent. It must not be repeated: each call claims other jobs.
#[derive(Debug)]
pub(crate) struct ClaimRequest {
    /// Number of jobs that the claim asks for.
    pub(crate) slots: usize,
    /// The execution ids that the claim may give to jobs.
    pub(crate) executions: ExecutionRange,
    pub(crate) claimed_at: DateTime<Utc>,
    /// `true` if the script checks the types of all keys first.
    pub(crate) checks_keys: bool,
    /// Queues, by their index, that the claim leaves out.
    pub(crate) excluded_queues: Vec<usize>,
    /// Ids that watchers have popped: the script claims their jobs first, or puts them back.
    pub(crate) popped_ids: Vec<PoppedId>,
}

/// Encodes the claims of one worker and decodes their replies.
pub(crate) struct Claimer {
    suspended: String,
    suspended_queues: String,
    /// Keys of the queues, as many of each.
    queue_keys: Vec<String>,
    worker: String,
    lease: Duration,
}

impl Claimer {
    pub(crate) fn new(client: &Client, queues: &[QueueKeys], worker: &str, lease: Duration) -> Self {
        let mut queue_keys = Vec::with_capacity(queues.len() * 7);
        for queue in queues {
            let first = [&queue.list, &queue.intermediate, &queue.wip, &queue.unreadable];
            queue_keys.extend(first.map(String::clone));
            queue_keys.extend([&queue.scheduled, &queue.finished, &queue.failed].map(String::clone));
        }
        let (suspended, suspended_queues) = (client.keys.suspended(), client.keys.suspended_queues());
        Claimer { suspended, suspended_queues, queue_keys, worker: worker.to_owned(), lease }
    }

    pub(crate) fn encode(&self, client: &Client, claim: &ClaimRequest) -> RedisCommand {
        let queue_keys: Vec<&str> = self.queue_keys.iter().map(String::as_str).collect();
        let excluded = claim.excluded_queues.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let call = client.evalsha(&Claim {
            suspended: &self.suspended,
            suspended_queues: &self.suspended_queues,
            queue_keys: &queue_keys,
            slots: claim.slots,
            lease: self.lease.as_secs_f64(),
            worker: &self.worker,
            started_at: &iso(claim.claimed_at),
            execution_prefix: &claim.executions.prefix,
            sequence: claim.executions.start,
            budget: PAYLOAD_BUDGET,
            checks_keys: claim.checks_keys,
            excluded_queues: &excluded,
        });
        claim.popped_ids.iter().fold(call, |call, popped| call.arg(popped.queue).arg(&popped.id))
    }

    pub(crate) fn decode_reply(&self, reply: Reply, claimed_at: DateTime<Utc>) -> Result<ClaimReply> {
        let mut parts = reply::list(reply)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let state = reply::int(&part())?;
        let mut claim = ClaimReply {
            queues_are_empty: state == QUEUES_ARE_EMPTY,
            all_suspended: state == ALL_SUSPENDED,
            ..ClaimReply::default()
        };
        let jobs = reply::list(part())?.into_iter();
        claim.jobs = jobs.map(|job| self.decode_job(job, claimed_at)).collect();
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

    fn decode_job(&self, job: Reply, started_at: DateTime<Utc>) -> Result<ClaimedJob> {
        let mut parts = reply::list(job)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let queue = reply::int(&part())? as usize;
        let id = reply::text(part())?.unwrap_or_default();
        let execution = reply::text(part())?.unwrap_or_default();
        let fields = RawHash(reply::pairs(part())?);
        Ok(ClaimedJob::read(queue, (&id, execution), fields, started_at, &self.worker))
    }
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
