//! A job as users see it: its record, its position, the jobs that it depends on, and the reason for its state.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::dependencies::{Dependency, fetch_dependencies};
use super::diagnostic::Diagnostic;
use super::explain::{Surroundings, explain, fetch_position};
use super::workers::fetch_runs_in;
use crate::bounded_read;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::job::{Record, Status};
use crate::job_handle::Job;
use crate::wrong_type::tolerate_wrong_type;

/// A job's record, with what is known of it beside the record. As JSON it is the reply of `job show --json`.
#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    #[serde(flatten)]
    pub(crate) record: Record,
    /// Time at which a scheduled job goes to its queue.
    pub(crate) due: Option<DateTime<Utc>>,
    /// Position in the queue, from 1.
    pub(crate) position: Option<usize>,
    pub(crate) why: Vec<Diagnostic>,
    pub(crate) waits_for: Vec<Dependency>,
    pub(crate) waited_for_by: Vec<Dependency>,
    /// `threads` or `processes`, as its worker runs it; `None` for a worker of Python.
    pub(crate) runs_in: Option<String>,
    /// Fields of the record that are left out because they are too large; `None` when the record is read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cut: Option<Vec<&'static str>>,
    /// Actions that are possible in its state.
    pub(crate) actions: &'static [&'static str],
    /// Redis' clock.
    pub(crate) now: DateTime<Utc>,
}

/// Fetches a job with its whole record.
pub(crate) fn fetch_job(client: &Arc<Client>, id: &str) -> Result<JobView> {
    build_view(client, Job::fetch(client, id)?)
}

/// Fetches a job without the values that are too large to show.
pub(crate) fn fetch_job_bounded(client: &Arc<Client>, id: &str) -> Result<JobView> {
    let preview = bounded_read::fetch_previews(client, &[id])?.pop();
    let preview = preview.unwrap_or_else(|| Err(Error::NotFound { id: id.to_owned() }))?;
    let (record, cut) = preview.read(id);
    Ok(JobView { cut: Some(cut), ..build_view(client, Job::new(client, record))? })
}

fn build_view(client: &Arc<Client>, job: Job) -> Result<JobView> {
    let due = tolerate_wrong_type(job.due())?;
    let position = if job.status == Status::Queued { fetch_position(client, &job)? } else { None };
    let (waits_for, waited_for_by) = fetch_dependencies(client, job.id())?;
    let runs_in = fetch_runs_in(client, job.worker_name.as_deref())?;
    let now = client.server_now()?;
    let why = explain(client, &job, &Surroundings { position, due, waits_for: &waits_for, now })?;
    Ok(JobView {
        actions: actions(job.status, &why),
        record: job.into_record(),
        due,
        position,
        why,
        waits_for,
        waited_for_by,
        runs_in,
        cut: None,
        now,
    })
}

fn actions(status: Status, why: &[Diagnostic]) -> &'static [&'static str] {
    if why.iter().any(|diagnostic| diagnostic.code.starts_with("nowhere")) {
        return &["requeue", "cancel", "delete"];
    }
    match status {
        Status::Started => &["stop", "cancel", "delete"],
        Status::Scheduled => &["enqueue", "cancel", "delete"],
        Status::Failed | Status::Stopped | Status::Canceled => &["requeue", "delete"],
        Status::Finished => &["delete"],
        _ => &["cancel", "delete"],
    }
}
