//! Recovery of jobs whose worker was lost. Every worker does it, in small batches; the script `finish` lets only one
//! of them end each run.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::claim::ClaimedJob;
use crate::client::scripts::ExpiredLeases;
use crate::client::{Client, reply};
use crate::completion::{Completion, Retention};
use crate::dialect::{DialectSpec, QueueKeys};
use crate::error::{Error, Result};
use crate::finish::{self, FinishAck};
use crate::job::{Outcome, RawHash, ReadMode, Record, RetryState, Verdict, decide};

/// Number of jobs that one call of [`recover_expired`] takes over at most.
pub(crate) const MAX_RECOVERED: usize = 100;
/// Number of leases that one call of [`recover_expired`] reads at most.
pub(crate) const LEASE_SCAN_LIMIT: usize = 1000;

/// The verdict on a lost job, as Redis has stored it.
pub(crate) enum Recovered {
    /// The job was put back or, if its worker was a Python worker, is retried.
    RunsAgain { id: String },
    /// The job has failed: it was lost too often, or its worker was a Python worker and no retry was left.
    Failed { id: String, error: String },
}

/// Ends runs of one queue whose lease has expired. `limits` are the largest number of starts of a job that is lost
/// with its worker again and again, and the times that ended jobs are kept.
pub(crate) fn recover_expired(
    client: &Client,
    queue: &QueueKeys,
    limits: (u32, Retention),
    now: DateTime<Utc>,
) -> Result<Vec<Recovered>> {
    let mut completions = fetch_expired(client, queue, limits, now)?;
    finish::sort_for_batches(&mut completions);
    let (acks, failure) = send(client, queue, &completions);
    let recovered: Vec<Recovered> = completions
        .into_iter()
        .zip(acks)
        .filter(|(_, ack)| matches!(ack, Some(FinishAck::Done | FinishAck::DoneWithMoreDependents)))
        .map(|(completion, _)| Recovered::from(completion))
        .collect();
    // Jobs that were recovered before the error are reported; the next call meets the error again.
    failure.filter(|_| recovered.is_empty()).map_or(Ok(recovered), Err)
}

fn fetch_expired(
    client: &Client,
    queue: &QueueKeys,
    limits: (u32, Retention),
    now: DateTime<Utc>,
) -> Result<Vec<Completion>> {
    let leases = fetch_expired_leases(client, queue)?;
    let complete =
        |(member, fields): &(String, RawHash)| complete_lost(member, fields, limits, client.dialect, now);
    Ok(leases.iter().map(complete).collect())
}

/// Fetches expired leases, as `<job>:<execution>`, with the records of their jobs.
pub(crate) fn fetch_expired_leases(client: &Client, queue: &QueueKeys) -> Result<Vec<(String, RawHash)>> {
    let query = client.evalsha(&ExpiredLeases {
        wip: &queue.wip,
        max_expired: MAX_RECOVERED,
        max_read: LEASE_SCAN_LIMIT,
    });
    let mut leases = Vec::new();
    for lease in reply::list(client.call(&query)?)? {
        let mut parts = reply::list(lease)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        leases.push((reply::text(part())?.unwrap_or_default(), RawHash(reply::pairs(part())?)));
    }
    Ok(leases)
}

/// Sends all completions and returns one acknowledgement for each, `None` for a completion without one, and the last
/// error. The jobs of a batch without acknowledgements keep their leases for the next call.
fn send(
    client: &Client,
    queue: &QueueKeys,
    completions: &[Completion],
) -> (Vec<Option<FinishAck>>, Option<Error>) {
    let (mut acks, mut failure) = (Vec::new(), None);
    for batch in finish::batches(completions) {
        let call = finish::encode(client, std::slice::from_ref(queue), batch);
        match client.call(&call).and_then(finish::decode_acks) {
            Ok(batch_acks) => acks.extend(batch_acks.into_iter().map(Some)),
            Err(error) => {
                acks.extend(batch.iter().map(|_| None));
                failure = Some(error);
            }
        }
    }
    (acks, failure)
}

/// The completion of a run whose worker was lost.
pub(crate) fn complete_lost(
    member: &str,
    fields: &RawHash,
    (max_deliveries, retention): (u32, Retention),
    dialect: &DialectSpec,
    now: DateTime<Utc>,
) -> Completion {
    let (id, execution) = member.rsplit_once(':').unwrap_or((member, ""));
    let record = Record::read(id, fields, ReadMode::Recovery);
    let is_ours = !dialect.is_shared_with_python || record.execution_id.as_deref() == Some(execution);
    let outcome = if is_ours { outcome_of_ours(&record) } else { outcome_of_python(&record) };
    let score_margin = if is_ours { dialect.expired_score_margin() } else { Duration::ZERO };
    let verdict = decide(outcome, &RetryState::from_record(&record), max_deliveries);
    let job = ClaimedJob {
        queue: 0,
        execution: execution.to_owned(),
        payload: Vec::new(),
        started_at: record.started_at.unwrap_or(now),
        worker: record.worker_name.clone().unwrap_or_default(),
        record,
    };
    Completion::new(job, verdict, retention, dialect, now).for_recovery(score_margin)
}

fn outcome_of_ours(record: &Record) -> Outcome {
    let (worker, deliveries) = (worker_name(record), record.deliveries);
    Outcome::Lost { error: format!("lost {deliveries} times with its worker, the last one {worker}") }
}

/// The outcome of a lost run of a Python worker. The run fails, as in RQ's own clean-up: RQ does not promise that jobs
/// may run twice, so the job runs again only if its retry policy says so.
fn outcome_of_python(record: &Record) -> Outcome {
    let worker = worker_name(record);
    let mut error = format!("abandoned by worker {worker}: its lease has passed (RQ's AbandonedJobError)");
    if !record.needs.is_empty() {
        let features = record.needs.join(", ");
        error += &format!("; it asks for {features}, which rq-rs does not have yet and has not looked after");
    }
    Outcome::Crashed { error }
}

fn worker_name(record: &Record) -> &str {
    record.worker_name.as_deref().unwrap_or("unknown")
}

impl From<Completion> for Recovered {
    fn from(completion: Completion) -> Self {
        match completion.verdict {
            Verdict::Fail { error, .. } => Recovered::Failed { id: completion.id, error },
            _ => Recovered::RunsAgain { id: completion.id },
        }
    }
}
