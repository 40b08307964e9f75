//! Fetches the running jobs of queues.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::lists::ids::fetch_ids;
use super::lists::job_list::{JobList, SortOrder};
use super::lists::row::fetch_display_rows;
use crate::client::Client;
use crate::error::Result;
use crate::job::JobSummary;
use crate::wrong_type::WrongTypeKeys;

/// Largest number of running jobs that are read.
pub(super) const MAX_RUNNING: usize = 500;

/// A running job, as a row.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunningJob {
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) handler: Option<String>,
    pub(crate) description: String,
    pub(crate) worker_name: Option<String>,
    pub(crate) started_at: Option<DateTime<Utc>>,
}

/// Fetches the running jobs of these queues, the longest running first.
pub(crate) fn fetch_running(client: &Arc<Client>, queues: &[String]) -> Result<Vec<RunningJob>> {
    let (mut all, mut wrong_type_keys) = (Vec::new(), WrongTypeKeys::default());
    for queue in queues {
        let range = (0, MAX_RUNNING - all.len());
        let ids =
            fetch_ids(client, (queue, JobList::Started), SortOrder::Oldest, range, &mut wrong_type_keys)?;
        let ids: Vec<String> = ids.into_iter().map(|(id, _)| id).collect();
        let rows = fetch_display_rows(client, &ids)?;
        for (id, job) in ids.into_iter().zip(rows) {
            let Some(job) = job else { continue };
            let JobSummary { handler, description, worker_name, started_at, .. } = job;
            let queue = queue.clone();
            all.push(RunningJob { id, queue, handler, description, worker_name, started_at });
        }
        if all.len() >= MAX_RUNNING {
            break;
        }
    }
    all.sort_by_key(|run| run.started_at);
    Ok(all)
}
