//! What runs now.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::page::{self, Order, Place};
use crate::error::Result;
use crate::job::check_queue_name;
use crate::store::Store;

/// More are counted but not shown.
pub(super) const SHOWN: usize = 500;

/// A job that runs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Running {
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) handler: Option<String>,
    pub(crate) description: String,
    pub(crate) worker_name: Option<String>,
    pub(crate) started_at: Option<DateTime<Utc>>,
}

/// Of these queues, those first that have run for longest.
pub(crate) fn running(store: &Arc<Store>, queues: &[String]) -> Result<Vec<Running>> {
    let mut all = Vec::new();
    for queue in queues.iter().filter(|name| check_queue_name(name).is_ok()) {
        let ids = page::ids(store, queue, Place::Started, Order::Oldest, (0, SHOWN - all.len()))?;
        for (id, job) in page::jobs(store, ids.into_iter().map(|(id, _)| id).collect())? {
            let Some(job) = job else { continue };
            all.push(Running {
                id,
                queue: queue.clone(),
                handler: job.handler,
                description: page::one_line(&job.description),
                worker_name: job.worker_name,
                started_at: job.started_at,
            });
        }
        if all.len() >= SHOWN {
            break;
        }
    }
    all.sort_by_key(|run| run.started_at);
    Ok(all)
}
