//! Failed jobs by what they failed with.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::page::{Asked, Filter, Order, Place, Walk, error_of, queue_names};
use crate::error::Result;
use crate::store::Store;

/// More groups are not told apart: the rest is in the last one, without error and handler.
const MOST: usize = 500;

/// Jobs of one handler that failed with the same error.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Group {
    pub(crate) queue: String,
    pub(crate) handler: Option<String>,
    /// The first line.
    pub(crate) error: Option<String>,
    pub(crate) count: usize,
    pub(crate) first: Option<DateTime<Utc>>,
    pub(crate) last: Option<DateTime<Utc>>,
    /// The newest of them.
    pub(crate) id: String,
}

impl Group {
    /// What fits its jobs, and no others.
    #[cfg(feature = "top")]
    pub(crate) fn filter(&self) -> Filter {
        let (handler, error) = (self.handler.clone(), self.error.clone());
        Filter { handler, error, is_exact: true, ..Filter::default() }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Groups {
    pub(crate) total: usize,
    /// At how many it has looked, the newest of each queue.
    pub(crate) scanned: usize,
    pub(crate) groups: Vec<Group>,
}

/// The largest group first.
pub(crate) fn failed(store: &Arc<Store>, queue: Option<&str>) -> Result<Groups> {
    let queues = match queue {
        Some(name) => vec![name.to_owned()],
        None => queue_names(store)?,
    };
    let asked = Asked { offset: 0, limit: 0, order: Order::Newest, filter: Filter::default() };
    let mut all = Groups { total: 0, scanned: 0, groups: Vec::new() };
    let mut places: HashMap<(String, Option<String>, Option<String>), usize> = HashMap::new();
    for queue in queues {
        let walk = Walk::new(store, &queue, Place::Failed, &asked)?;
        all.total += walk.total;
        // A part is shown as one, and says so.
        if walk.total == 0 || all.groups.len() >= MOST {
            continue;
        }
        let (scanned, _) = walk.run(0, |id, _, job| {
            let handler = job.and_then(|job| job.handler.clone());
            let mut key = (queue.clone(), handler, error_of(job));
            if all.groups.len() >= MOST && !places.contains_key(&key) {
                key = (queue.clone(), None, None);
            }
            let ended = job.and_then(|job| job.ended_at);
            let at = *places.entry(key.clone()).or_insert_with(|| {
                let (queue, handler, error) = key;
                let id = id.to_owned();
                all.groups.push(Group { queue, handler, error, count: 0, first: ended, last: ended, id });
                all.groups.len() - 1
            });
            let group = &mut all.groups[at];
            group.count += 1;
            group.first = [group.first, ended].into_iter().flatten().min();
            group.last = [group.last, ended].into_iter().flatten().max();
            true
        })?;
        all.scanned += scanned;
    }
    all.groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| b.last.cmp(&a.last)));
    Ok(all)
}
