//! Recovery: jobs whose worker was lost, and ids that were popped and never started. Every worker does it, in
//! small batches; the scripts let only one of them have each job.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::claim::ClaimedJob;
use crate::client::scripts::{EXPIRED_LEASES, PUT_BACK_ORPHANED_IDS};
use crate::client::{Client, RedisCommand, reply};
use crate::completion::{Completion, Retention};
use crate::dialect::{DialectSpec, QueueKeys};
use crate::error::{Error, Result};
use crate::finish::{self, FinishAck};
use crate::job::{Outcome, RawHash, ReadMode, Record, RetryState, Verdict, decide};

/// Number of jobs that one call of [`recover_expired`] takes over at most.
pub(crate) const MAX_RECOVERED: usize = 100;
/// Number of leases that one call reads to find them.
const LEASE_SCAN_LIMIT: usize = 1000;
/// Number of ids of an intermediate list that one call reads.
const ORPHAN_SCAN_LIMIT: usize = 1000;

/// A lost job, and what was decided about it.
pub(crate) enum Recovered {
    /// It is back at the front of its queue.
    RunsAgain { id: String },
    /// It was lost too often, and has failed.
    Failed { id: String, error: String },
}

/// Takes over jobs of one queue whose lease has expired. `limits`: how often a job may be lost before it fails,
/// and how long failed jobs are kept.
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
        .filter(|(_, ack)| matches!(ack, FinishAck::Done | FinishAck::DoneWithMoreDependents))
        .map(|(completion, _)| Recovered::from(completion))
        .collect();
    // What was recovered before an error is reported; the next call meets the error again.
    failure.filter(|_| recovered.is_empty()).map_or(Ok(recovered), Err)
}

fn fetch_expired(
    client: &Client,
    queue: &QueueKeys,
    limits: (u32, Retention),
    now: DateTime<Utc>,
) -> Result<Vec<Completion>> {
    let query = RedisCommand::evalsha(&EXPIRED_LEASES, &[&queue.wip])
        .arg(client.keys.job_prefix())
        .arg(MAX_RECOVERED)
        .arg(LEASE_SCAN_LIMIT)
        .arg(client.dialect.expired_score_margin().as_secs());
    let mut completions = Vec::new();
    for lease in reply::list(client.call(&query)?)? {
        let mut parts = reply::list(lease)?.into_iter();
        let mut part = || parts.next().unwrap_or_default();
        let member = reply::text(part())?.unwrap_or_default();
        let fields = RawHash(reply::pairs(part())?);
        completions.push(complete_lost(&member, &fields, limits, client.dialect, now));
    }
    Ok(completions)
}

/// Sends all completions and returns one acknowledgement for each, and the last error. Jobs of a batch that was
/// not acknowledged keep their lease for the next round.
fn send(client: &Client, queue: &QueueKeys, completions: &[Completion]) -> (Vec<FinishAck>, Option<Error>) {
    let (mut acks, mut failure) = (Vec::new(), None);
    for batch in finish::batches(completions) {
        let call = finish::encode(client, std::slice::from_ref(queue), batch);
        match client.call(&call).and_then(finish::decode_acks) {
            Ok(some) => acks.extend(some),
            Err(error) => {
                acks.extend(batch.iter().map(|_| FinishAck::Fenced));
                failure = Some(error);
            }
        }
    }
    (acks, failure)
}

/// The completion of a run whose worker was lost.
fn complete_lost(
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
    let within = if is_ours { dialect.expired_score_margin() } else { Duration::ZERO };
    let verdict = decide(outcome, &RetryState::from_record(&record), max_deliveries);
    let job = ClaimedJob {
        queue: 0,
        execution: execution.to_owned(),
        payload: Vec::new(),
        started_at: record.started_at.unwrap_or(now),
        worker: record.worker_name.clone().unwrap_or_default(),
        record,
    };
    Completion::new(job, verdict, retention, dialect, now).for_recovery(within)
}

fn outcome_of_ours(record: &Record) -> Outcome {
    let (worker, deliveries) = (worker_name(record), record.deliveries);
    Outcome::Lost { error: format!("lost {deliveries} times with its worker, the last one {worker}") }
}

/// A Python worker's run fails, as Python would let it: its job was not enqueued with the promise that it may run
/// twice.
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

/// Ids of one intermediate list, each with the time it was first seen there.
#[derive(Default)]
pub(crate) struct OrphanTracker(HashMap<Vec<u8>, Instant>);

impl OrphanTracker {
    /// Returns ids to their queue that have been in the list too long, and says how many. An id that left and
    /// re-entered the list meanwhile is returned early, which is harmless: the claim of whoever popped it then
    /// does not find it.
    pub(crate) fn requeue_orphans(
        &mut self,
        client: &Client,
        queue: &QueueKeys,
        now: Instant,
    ) -> Result<usize> {
        let query = RedisCommand::new("LRANGE").arg(&queue.intermediate).arg(0).arg(ORPHAN_SCAN_LIMIT - 1);
        let mut listed = Vec::new();
        for id in reply::list(client.call(&query)?)? {
            listed.extend(reply::bytes(id)?);
        }
        let orphans = self.update(listed, client.dialect.orphan_after, now);
        if orphans.is_empty() {
            return Ok(0);
        }
        let call = RedisCommand::evalsha(&PUT_BACK_ORPHANED_IDS, &[&queue.intermediate, &queue.list])
            .arg(client.dialect.push_front)
            .arg(client.rq.key_patterns())
            .arg(client.keys.job_prefix());
        let call = orphans.into_iter().fold(call, RedisCommand::arg);
        Ok(usize::try_from(reply::int(&client.call(&call)?)?).unwrap_or(0))
    }

    /// Records the ids that are in the list now. Removes and returns those that have been there for `max_age`.
    fn update(&mut self, listed: Vec<Vec<u8>>, max_age: Duration, now: Instant) -> Vec<Vec<u8>> {
        self.0.retain(|id, _| listed.contains(id));
        let mut orphans = Vec::new();
        for id in listed {
            let since = *self.0.entry(id.clone()).or_insert(now);
            if now.saturating_duration_since(since) >= max_age {
                self.0.remove(&id);
                orphans.push(id);
            }
        }
        orphans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_an_orphan_once_it_has_been_listed_for_the_whole_time() {
        let (mut tracker, max_age, start) =
            (OrphanTracker::default(), Duration::from_secs(10), Instant::now());
        let mut update = |seconds: u64, ids: &[&str]| {
            let listed = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
            let orphans = tracker.update(listed, max_age, start + Duration::from_secs(seconds));
            orphans.into_iter().map(|id| String::from_utf8(id).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(update(0, &["a", "b"]), [""; 0]);
        assert_eq!(update(9, &["a"]), [""; 0]);
        assert_eq!(update(10, &["a", "b"]), ["a"], "b has left the list and come back");
        assert_eq!(update(18, &["b"]), [""; 0]);
        assert_eq!(update(20, &["b"]), ["b"]);
    }
}
