//! Explains a job whose record says that it runs: whether its worker is alive, and who would recover the job.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::liveness::{BUSY_SILENCE, is_recent, max_busy_silence, silence};
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::{Record, from_iso, from_unix_seconds};
use crate::snapshot::diagnostic::Diagnostic;
use crate::snapshot::workers::{WorkerView, fetch_workers};
use crate::wrong_type::{WrongTypeKeys, tolerate_wrong_type};

/// Seconds between two recoveries of lost jobs by a worker with default options.
const RECOVERY_INTERVAL: i64 = 15;
/// Time for which RQ keeps an execution beyond its lease.
const RQ_EXECUTION_MARGIN: TimeDelta = TimeDelta::seconds(60);
/// Largest number of executions of one job that are read.
const MAX_EXECUTIONS: usize = 20;

/// Explains a started job.
pub(super) fn explain(client: &Arc<Client>, job: &Record, now: DateTime<Utc>) -> Result<Diagnostic> {
    let name = job.worker_name.clone().unwrap_or_default();
    let workers = fetch_workers(client, &mut WrongTypeKeys::default())?;
    let owner = workers.iter().find(|worker| worker.name == name);
    // Python's workers recover lost jobs at times of their own.
    let can_recover = |worker: &WorkerView| {
        worker.runs_in.is_some()
            && worker.name != name
            && worker.listens_to(&job.origin)
            && is_recent(worker, now)
    };
    let has_successor = workers.iter().any(can_recover);
    let diagnostic = match fetch_lease_end(client, job, now)? {
        None => explain_without_lease(job, owner, now),
        Some(end) => match (end - now).num_seconds() {
            left @ ..=0 => explain_expired_lease(left + RECOVERY_INTERVAL, owner, has_successor, now),
            left => explain_lease(left + RECOVERY_INTERVAL, job, owner, has_successor, now),
        },
    };
    Ok(diagnostic.with("worker", name.as_str()).with("queue", &*job.origin))
}

/// Explains a started job without a lease: it waits for its worker to renew the lease, or it is in no list. A worker
/// of ours that is alive writes its lease again; until the worker counts as lost, `requeue` is refused.
fn explain_without_lease(job: &Record, owner: Option<&WorkerView>, now: DateTime<Utc>) -> Diagnostic {
    let owner = owner.filter(|worker| may_run(worker, job));
    let left = owner.and_then(|worker| Some(worker.lease? - silence(worker, now)?)).filter(|left| *left > 0);
    match left {
        Some(left) => Diagnostic::new("nowhere_started").with("seconds", left),
        None => Diagnostic::new("nowhere").with("status", "started"),
    }
}

/// Explains a job whose lease has expired: a worker recovers it in `until_recovery` seconds, if any worker can.
fn explain_expired_lease(
    until_recovery: i64,
    owner: Option<&WorkerView>,
    has_successor: bool,
    now: DateTime<Utc>,
) -> Diagnostic {
    let silence = owner.and_then(|worker| silence(worker, now));
    let is_alive = silence.is_some_and(|silence| silence < BUSY_SILENCE);
    match until_recovery {
        // An owner that is alive may recover the job itself.
        _ if !has_successor && !is_alive => Diagnostic::new("lost_alone"),
        seconds @ 1.. => Diagnostic::new("lost").with("seconds", seconds),
        _ => Diagnostic::new("lost_now"),
    }
}

/// Explains a job with a valid lease: it is running, or its worker has been silent for too long.
fn explain_lease(
    until_recovery: i64,
    job: &Record,
    owner: Option<&WorkerView>,
    has_successor: bool,
    now: DateTime<Utc>,
) -> Diagnostic {
    match owner.map(|worker| (worker, silence(worker, now).unwrap_or(i64::MAX))) {
        None if !has_successor => Diagnostic::new("lost_alone"),
        None => Diagnostic::new("gone").with("seconds", until_recovery),
        // Python's workers have no lease in their records, and send fewer heartbeats.
        Some((worker, silence)) if worker.runs_in.is_some() && silence >= max_busy_silence(worker) => {
            match has_successor {
                true => Diagnostic::new("silent").with("silent", silence).with("seconds", until_recovery),
                false => Diagnostic::new("lost_alone"),
            }
        }
        Some(_) => {
            let since = job.started_at.map(|time| (now - time).num_seconds().max(0));
            Diagnostic::new("running").with("seconds", since.unwrap_or_default())
        }
    }
}

/// Returns whether a worker of this name may run the job, by the same rules as `requeue`: it was not started after
/// the job, and has not been idle since.
fn may_run(worker: &WorkerView, job: &Record) -> bool {
    let time = |text: &Option<String>| text.as_deref().and_then(from_iso);
    let is_later = time(&worker.birth) > job.started_at;
    !is_later && (worker.state != "idle" || time(&worker.last_heartbeat) <= job.started_at)
}

/// Fetches the end of the lease of the job's execution; for an execution of a Python worker, when RQ takes it for
/// abandoned.
fn fetch_lease_end(client: &Client, job: &Record, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let wip = client.keys.queue(&job.origin).wip;
    let score = |member: String| -> Result<Option<f64>> {
        let score = client.call(&RedisCommand::new("ZSCORE").arg(&wip).arg(member))?;
        Ok(reply::text(score)?.and_then(|score| score.parse().ok()))
    };
    let execution = job.execution_id.as_deref().unwrap_or_default();
    if let Some(end) = score(format!("{}:{execution}", job.id))? {
        return Ok(from_unix_seconds(end - client.dialect.expired_score_margin().as_secs_f64()));
    }
    match client.rq.executions(&job.id) {
        Some(executions) => fetch_rq_lease_end(client, job, (&executions, execution), score, now),
        None => Ok(None),
    }
}

/// Fetches the end of the lease of any execution of a job in RQ's dialect.
fn fetch_rq_lease_end(
    client: &Client,
    job: &Record,
    (executions, current): (&str, &str),
    score: impl Fn(String) -> Result<Option<f64>>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>> {
    let executions =
        RedisCommand::new("ZREVRANGE").arg(executions).arg(0).arg(MAX_EXECUTIONS).arg("WITHSCORES");
    let executions = tolerate_wrong_type(client.call(&executions).and_then(reply::texts))?;
    for pair in executions.chunks_exact(2) {
        if let Some(end) = score(format!("{}:{}", job.id, pair[0]))? {
            return Ok(from_unix_seconds(end));
        }
        // A Python worker that lost its lease does not write it again, and runs on.
        let end = pair[1].parse().ok().and_then(from_unix_seconds).map(|end| end - RQ_EXECUTION_MARGIN);
        if pair[0] != current && end.is_some_and(|end| end > now) {
            return Ok(end);
        }
    }
    // RQ before 2.0 wrote no execution.
    Ok(score(job.id.clone())?.and_then(from_unix_seconds))
}
