//! Explains why a job is in its state, from its record, its queue and the workers.

mod liveness;
mod queued;
mod started;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::dependencies::Dependency;
use super::diagnostic::Diagnostic;
use super::lists::row::display_error;
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::{Record, Status, iso};
use crate::wrong_type::tolerate_wrong_type;

pub(super) use queued::fetch_position;

/// Seconds that a scheduled job may be late before it counts as overdue.
const OVERDUE_AFTER: i64 = 5;

/// Facts about a job that are not in its record.
pub(super) struct Surroundings<'a> {
    /// Position in the queue, from 1.
    pub(super) position: Option<usize>,
    /// Time at which a scheduled job goes to its queue.
    pub(super) due: Option<DateTime<Utc>>,
    pub(super) waits_for: &'a [Dependency],
    /// Redis' clock.
    pub(super) now: DateTime<Utc>,
}

pub(super) fn explain(
    client: &Arc<Client>,
    job: &Record,
    around: &Surroundings<'_>,
) -> Result<Vec<Diagnostic>> {
    let Surroundings { position, due, waits_for, now } = *around;
    Ok(match job.status {
        Status::Queued => queued::explain(client, job, position)?,
        Status::Started => vec![started::explain(client, job, now)?],
        Status::Scheduled => vec![explain_scheduled(job, due, now)],
        Status::Deferred => waits_for.iter().filter_map(explain_deferred).collect(),
        Status::RateLimited => vec![explain_rate_limited(client, job)?],
        Status::ReadyToEnqueue => vec![explain_ready(client, job)?],
        Status::Finished => vec![Diagnostic::new("finished")],
        Status::Failed => {
            let error = job.exc_info.as_deref().map(display_error).unwrap_or_default();
            vec![Diagnostic::new("failed").with("error", error)]
        }
        Status::Stopped => vec![Diagnostic::new("stopped")],
        Status::Canceled => vec![Diagnostic::new("canceled")],
        status => vec![Diagnostic::new("nowhere").with("status", status.as_str())],
    })
}

fn explain_scheduled(job: &Record, due: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Diagnostic {
    let Some(due) = due else { return Diagnostic::new("nowhere").with("status", "scheduled") };
    let seconds = (due - now).num_seconds();
    if seconds < -OVERDUE_AFTER {
        return Diagnostic::new("overdue").with("queue", &*job.origin);
    }
    let seconds = seconds.max(0);
    match (job.number_of_retries, job.retries_left) {
        (retries @ 1.., left) => Diagnostic::new("retry")
            .with("attempt", retries + 1)
            .with("of", retries + 1 + left.unwrap_or(0))
            .with("seconds", seconds)
            .with("error", job.attempts.last().map(|attempt| attempt.error.clone()).unwrap_or_default()),
        _ => Diagnostic::new("scheduled").with("at", iso(due)).with("seconds", seconds),
    }
}

fn explain_deferred(dependency: &Dependency) -> Option<Diagnostic> {
    let id = dependency.id.as_str();
    match dependency.status {
        Some(Status::Finished) => None,
        Some(status) => Some(Diagnostic::new("waits_for").with("id", id).with("status", status.as_str())),
        None => Some(Diagnostic::new("waits_gone").with("id", id)),
    }
}

/// Explains a job whose dependencies have ended and that is not in its queue yet.
fn explain_ready(client: &Client, job: &Record) -> Result<Diagnostic> {
    let since = RedisCommand::new("ZSCORE").arg(client.keys.queue(&job.origin).ready).arg(&job.id);
    let since = tolerate_wrong_type(client.call(&since).and_then(reply::text))?;
    let diagnostic = Diagnostic::new(if since.is_some() { "ready" } else { "nowhere" });
    Ok(diagnostic.with("status", job.status.as_str()).with("queue", &*job.origin))
}

fn explain_rate_limited(client: &Client, job: &Record) -> Result<Diagnostic> {
    let nowhere = || Diagnostic::new("nowhere").with("status", job.status.as_str());
    let Some(limit) = job.other.get("rate_limit_key") else { return Ok(nowhere()) };
    let waits = RedisCommand::new("ZSCORE").arg(client.keys.limit_waiting(limit)).arg(&job.id);
    let runs = RedisCommand::new("ZSCORE").arg(client.keys.limit_slots(limit)).arg(&job.id);
    let taken = RedisCommand::new("ZCARD").arg(client.keys.limit_slots(limit));
    let slots = RedisCommand::new("HGET").arg(client.keys.limit(limit)).arg("concurrency");
    if tolerate_wrong_type(client.call(&waits).and_then(reply::text))?.is_none() {
        return Ok(nowhere());
    }
    if tolerate_wrong_type(client.call(&runs).and_then(reply::text))?.is_some() {
        return Ok(Diagnostic::new("rate_limited_runs").with("limit", limit.as_str()));
    }
    let taken = tolerate_wrong_type(client.call(&taken).and_then(|taken| reply::int(&taken)))?;
    // If the hash of the limit was deleted, workers take the number from the record too.
    let of_record = job.other.get("rate_limit_concurrency").cloned();
    let slots = tolerate_wrong_type(client.call(&slots).and_then(reply::text))?.or(of_record);
    let slots = slots.and_then(|slots| slots.parse::<i64>().ok()).unwrap_or(0);
    let diagnostic = Diagnostic::new("rate_limited").with("limit", limit.as_str());
    Ok(diagnostic.with("taken", taken).with("slots", slots))
}
