//! Failed jobs by what they failed with.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::job_list::{JobList, SortOrder};
use super::page::{Filter, PageQuery, Scan};
use super::row::{JobSummary, display_error};
use crate::client::Client;
use crate::error::Result;
use crate::queue::all_queue_names;
use crate::wrong_type::WrongTypeKeys;

/// More groups are not told apart: the rest is in the last one, without error and handler.
const MAX_GROUPS: usize = 500;

/// Jobs of one handler whose errors differ in ids, addresses, numbers and quoted values only.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FailureGroup {
    pub(crate) queue: String,
    pub(crate) handler: Option<String>,
    /// What the newest of them says.
    pub(crate) error: Option<String>,
    /// What all of them have in common; as an exact filter it fits them and no others.
    pub(crate) kind: Option<String>,
    pub(crate) count: usize,
    pub(crate) first: Option<DateTime<Utc>>,
    pub(crate) last: Option<DateTime<Utc>>,
    /// The newest of them.
    pub(crate) id: String,
}

impl FailureGroup {
    /// What fits its jobs, and no others.
    #[cfg(feature = "top")]
    pub(crate) fn filter(&self) -> Filter {
        let (handler, error) = (self.handler.clone(), self.kind.clone());
        Filter { handler, error, is_exact: true, ..Filter::default() }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct FailureGroups {
    pub(crate) total: usize,
    /// At how many it has looked, the newest of each queue.
    pub(crate) scanned: usize,
    pub(crate) groups: Vec<FailureGroup>,
    /// Keys that are not what they should be, of which nothing is shown.
    pub(crate) odd_keys: WrongTypeKeys,
}

/// The largest group first.
pub(crate) fn fetch_failure_groups(client: &Arc<Client>, queue: Option<&str>) -> Result<FailureGroups> {
    let mut all =
        FailureGroups { total: 0, scanned: 0, groups: Vec::new(), odd_keys: WrongTypeKeys::default() };
    let queues = match queue {
        Some(name) => vec![name.to_owned()],
        None => all_queue_names(client, &mut all.odd_keys)?,
    };
    let asked = PageQuery { offset: 0, limit: 0, order: SortOrder::Newest, filter: Filter::default() };
    let mut places = HashMap::new();
    for queue in queues {
        let mut walk = Scan::new(client, &queue, JobList::Failed, &asked)?;
        all.total += walk.total;
        all.odd_keys.merge(std::mem::take(&mut walk.wrong_keys));
        // A part is shown as one, and says so.
        if walk.total == 0 || all.groups.len() >= MAX_GROUPS {
            continue;
        }
        let (scanned, _) = walk.run(0, |id, _, job| {
            add_to_group(&mut all.groups, &mut places, &queue, (id, job));
            true
        })?;
        all.scanned += scanned;
    }
    all.groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| b.last.cmp(&a.last)));
    Ok(all)
}

/// Where the group of a queue, a handler and a kind of error is.
type GroupIndex = HashMap<(String, Option<String>, Option<String>), usize>;

fn add_to_group(
    groups: &mut Vec<FailureGroup>,
    places: &mut GroupIndex,
    queue: &str,
    (id, job): (&str, Option<&JobSummary>),
) {
    let handler = job.and_then(|job| job.handler.clone());
    let mut key = (queue.to_owned(), handler, job.and_then(JobSummary::error_key));
    let mut error = job.and_then(|job| job.error.as_deref()).map(display_error);
    if groups.len() >= MAX_GROUPS && !places.contains_key(&key) {
        key = (queue.to_owned(), None, None);
        error = None;
    }
    let ended = job.and_then(|job| job.ended_at);
    let at = *places.entry(key.clone()).or_insert_with(|| {
        let (queue, handler, kind) = key;
        let id = id.to_owned();
        groups.push(FailureGroup { queue, handler, error, kind, count: 0, first: ended, last: ended, id });
        groups.len() - 1
    });
    let group = &mut groups[at];
    group.count += 1;
    group.first = [group.first, ended].into_iter().flatten().min();
    group.last = [group.last, ended].into_iter().flatten().max();
}
