//! Jobs that cron entries have enqueued.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::lists::row;
use crate::client::Client;
use crate::cron::history;
use crate::error::Result;
use crate::job::{JobSummary, Status};
use crate::wrong_type::WrongTypeKeys;

/// Number of jobs that Redis keeps for an entry.
const MAX_HISTORY: usize = 1000;

/// A job that a cron entry has enqueued.
#[derive(Debug, Serialize)]
pub(crate) struct CronRun {
    pub(crate) id: String,
    /// Time at which the job was enqueued.
    pub(crate) at: DateTime<Utc>,
    /// `None` when its record has expired, was deleted, or cannot be read.
    pub(crate) status: Option<Status>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// Fetches the newest `limit` jobs of an entry, the newest first, and the number of all that Redis keeps.
pub(crate) fn fetch_cron_history(
    client: &Arc<Client>,
    name: &str,
    limit: usize,
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<(Vec<CronRun>, usize)> {
    let total = history::count_history(client, name, wrong_type_keys)?.min(MAX_HISTORY);
    let (ids, times): (Vec<_>, Vec<_>) =
        history::fetch_history(client, name, limit.min(total), wrong_type_keys)?.into_iter().unzip();
    let jobs = row::fetch_display_rows_and_report(client, &ids, wrong_type_keys)?;
    let run = |((id, at), job): ((String, DateTime<Utc>), Option<JobSummary>)| {
        let (started_at, ended_at) = job.as_ref().map_or((None, None), |job| (job.started_at, job.ended_at));
        CronRun { id, at, status: job.and_then(|job| job.status), started_at, ended_at }
    };
    Ok((ids.into_iter().zip(times).zip(jobs).map(run).collect(), total))
}
