//! What runs now.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::job_list::{JobList, SortOrder};
use super::page;
use super::row;
use crate::client::Client;
use crate::error::Result;
use crate::wrong_type::WrongTypeKeys;

/// More are counted but not shown.
pub(super) const MAX_RUNNING: usize = 500;

/// A job that runs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunningJob {
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) handler: Option<String>,
    pub(crate) description: String,
    pub(crate) worker_name: Option<String>,
    pub(crate) started_at: Option<DateTime<Utc>>,
}

/// Of these queues, those first that have run for longest.
pub(crate) fn fetch_running(client: &Arc<Client>, queues: &[String]) -> Result<Vec<RunningJob>> {
    let (mut all, mut wrong_keys) = (Vec::new(), WrongTypeKeys::default());
    for queue in queues {
        let ids = page::fetch_ids(
            client,
            (queue, JobList::Started),
            SortOrder::Oldest,
            (0, MAX_RUNNING - all.len()),
            &mut wrong_keys,
        )?;
        let ids: Vec<String> = ids.into_iter().map(|(id, _)| id).collect();
        let rows = row::fetch_display_rows(client, &ids)?;
        for (id, job) in ids.into_iter().zip(rows) {
            let Some(job) = job else { continue };
            all.push(RunningJob {
                id,
                queue: queue.clone(),
                handler: job.handler,
                description: job.description,
                worker_name: job.worker_name,
                started_at: job.started_at,
            });
        }
        if all.len() >= MAX_RUNNING {
            break;
        }
    }
    all.sort_by_key(|run| run.started_at);
    Ok(all)
}
