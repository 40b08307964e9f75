//! What is true of a job whose record says that it runs.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::diagnostic::Diagnostic;
use super::{WorkerView, page};
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::{Record, from_iso};
use crate::wrong_type::{WrongTypeKeys, tolerate_wrong_type};

/// Seconds, unless a worker was told otherwise.
const RECOVERED_EVERY: i64 = 15;
/// Seconds within which a worker that lives has given a sign of it, also when it does nothing.
pub(super) const HEARD_WITHIN: i64 = 30;
/// The same while it runs something, unless its lease is a long one.
const HEARD_WHILE_BUSY: i64 = 15;
/// RQ keeps a run for longer than its lease.
const LONGER: TimeDelta = TimeDelta::seconds(60);
/// More runs of one job are not looked at.
const RUNS: usize = 20;

pub(super) fn started(client: &Arc<Client>, job: &Record, now: DateTime<Utc>) -> Result<Diagnostic> {
    let worker = job.worker_name.clone().unwrap_or_default();
    let note = |code| Diagnostic::new(code).with("worker", worker.as_str()).with("queue", &*job.origin);
    let workers = super::fetch_workers(client, &mut WrongTypeKeys::default())?;
    let owner = workers.iter().find(|one| one.name == worker);
    let Some(end) = lease_end(client, job, now)? else {
        // A worker of ours that lives puts its lease back; until it is taken for lost, nobody else does it.
        let owner = owner.filter(|one| may_run(one, job));
        let left = owner.and_then(|one| Some(one.lease? - silence(one, now)?)).filter(|left| *left > 0);
        return Ok(match left {
            Some(left) => note("nowhere_started").with("seconds", left),
            None => note("nowhere").with("status", "started"),
        });
    };
    // Those that are ready to take over: Python's do it when they come round to it.
    let is_heir = |one: &&WorkerView| {
        one.runs_in.is_some()
            && one.name != worker
            && one.listens_to(&job.origin)
            && silence(one, now).is_some_and(|silent| silent < HEARD_WITHIN)
    };
    let has_heir = workers.iter().any(|one| is_heir(&one));
    let left = (end - now).num_seconds();
    if left <= 0 {
        let is_alive =
            owner.and_then(|one| silence(one, now)).is_some_and(|silent| silent < HEARD_WHILE_BUSY);
        return Ok(match left + RECOVERED_EVERY {
            // It will find its own lease passed, and may take over what it has lost.
            _ if !has_heir && !is_alive => note("lost_alone"),
            seconds @ 1.. => note("lost").with("seconds", seconds),
            _ => note("lost_now"),
        });
    }
    let seconds = left + RECOVERED_EVERY;
    Ok(match owner.map(|one| (one, silence(one, now).unwrap_or(i64::MAX))) {
        None if !has_heir => note("lost_alone"),
        None => note("gone").with("seconds", seconds),
        // Python's workers say nothing of a lease, and are heard of less often.
        Some((one, silent)) if one.runs_in.is_some() && silent >= busy_within(one) => match has_heir {
            true => note("silent").with("silent", silent).with("seconds", seconds),
            false => note("lost_alone"),
        },
        Some(_) => {
            let since = job.started_at.map(|time| (now - time).num_seconds().max(0));
            note("running").with("seconds", since.unwrap_or_default())
        }
    })
}

/// Whether a worker of this name may run it, as `requeue` sees it: it is not a later one, and has not said since that
/// it runs nothing.
fn may_run(worker: &WorkerView, job: &Record) -> bool {
    let time = |text: &Option<String>| text.as_deref().and_then(from_iso);
    let is_later = time(&worker.birth) > job.started_at;
    !is_later && (worker.state != "idle" || time(&worker.last_heartbeat) <= job.started_at)
}

fn busy_within(worker: &WorkerView) -> i64 {
    worker.lease.map_or(HEARD_WHILE_BUSY, |lease| HEARD_WHILE_BUSY.max(lease / 3 + 5))
}

/// For how many seconds nobody has heard of it.
pub(super) fn silence(worker: &WorkerView, now: DateTime<Utc>) -> Option<i64> {
    worker.last_heartbeat.as_deref().and_then(from_iso).map(|heard| (now - heard).num_seconds())
}

/// When the lease of the run ends that has the job; of a Python worker's run, when it counts as abandoned.
fn lease_end(client: &Client, job: &Record, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
    let wip = client.keys.queue(&job.origin).wip;
    let score = |member: String| -> Result<Option<f64>> {
        let score = client.query(&RedisCommand::new("ZSCORE").arg(&wip).arg(member))?;
        Ok(reply::text(score)?.and_then(|score| score.parse().ok()))
    };
    let execution = job.execution_id.as_deref().unwrap_or_default();
    if let Some(end) = score(format!("{}:{execution}", job.id))? {
        return Ok(page::from_unix_seconds(end - client.dialect.expired_score_margin().as_secs_f64()));
    }
    let Some(executions) = client.rq.executions(&job.id) else { return Ok(None) };
    let runs = RedisCommand::new("ZREVRANGE").arg(executions).arg(0).arg(RUNS).arg("WITHSCORES");
    let runs = tolerate_wrong_type(client.query(&runs).and_then(reply::texts))?;
    for run in runs.chunks_exact(2) {
        if let Some(end) = score(format!("{}:{}", job.id, run[0]))? {
            return Ok(page::from_unix_seconds(end));
        }
        // A Python worker does not put its lease back, and runs on.
        let end = run[1].parse().ok().and_then(page::from_unix_seconds).map(|end| end - LONGER);
        if run[0] != execution && end.is_some_and(|end| end > now) {
            return Ok(end);
        }
    }
    // As old RQ wrote it.
    Ok(score(job.id.clone())?.and_then(page::from_unix_seconds))
}
