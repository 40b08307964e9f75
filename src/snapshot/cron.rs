//! What cron entries have enqueued.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::row;
use crate::client::Client;
use crate::cron::book;
use crate::error::Result;
use crate::job::Status;
use crate::wrong_type::WrongTypeKeys;

/// More are not kept.
const KEPT: usize = 1000;

/// A job of an entry.
#[derive(Debug, Serialize)]
pub(crate) struct Past {
    pub(crate) id: String,
    pub(crate) at: DateTime<Utc>,
    /// `None` when its record has expired, was deleted, or cannot be read.
    pub(crate) status: Option<Status>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
}

/// The newest first, and how many there are to be shown.
pub(crate) fn cron_history(
    client: &Arc<Client>,
    name: &str,
    limit: usize,
    odd: &mut WrongTypeKeys,
) -> Result<(Vec<Past>, usize)> {
    let total = book::history_count(client, name, odd)?.min(KEPT);
    let (ids, times): (Vec<_>, Vec<_>) =
        book::history(client, name, limit.min(total), odd)?.into_iter().unzip();
    let jobs = row::read_all_naming(client, &ids, odd)?;
    let past = |((id, at), job): ((String, DateTime<Utc>), Option<row::JobSummary>)| {
        let (started_at, ended_at) = job.as_ref().map_or((None, None), |job| (job.started_at, job.ended_at));
        Past { id, at, status: job.and_then(|job| job.status), started_at, ended_at }
    };
    Ok((ids.into_iter().zip(times).zip(jobs).map(past).collect(), total))
}
