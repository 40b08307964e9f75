//! Failed jobs, grouped by handler and kind of error.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

#[cfg(feature = "top")]
use super::lists::filter::Filter;
use super::lists::job_list::{JobList, SortOrder};
use super::lists::job_scan::JobScan;
use super::lists::row::display_error;
use crate::client::Client;
use crate::error::Result;
use crate::job::JobSummary;
use crate::queue::all_queue_names;
use crate::wrong_type::WrongTypeKeys;

/// Largest number of groups. Further jobs are in one more group per queue, without error and handler.
const MAX_GROUPS: usize = 500;

/// Jobs of one handler whose errors differ in ids, addresses, numbers and quoted values only.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FailureGroup {
    pub(crate) queue: String,
    pub(crate) handler: Option<String>,
    /// Error of the newest job.
    pub(crate) error: Option<String>,
    /// The common part of all errors of the group.
    pub(crate) kind: Option<String>,
    pub(crate) count: usize,
    pub(crate) first: Option<DateTime<Utc>>,
    pub(crate) last: Option<DateTime<Utc>>,
    /// Id of the newest job.
    pub(crate) id: String,
}

impl FailureGroup {
    /// Counts a job that ended at this time.
    fn add(&mut self, ended: Option<DateTime<Utc>>) {
        self.count += 1;
        self.first = [self.first, ended].into_iter().flatten().min();
        self.last = [self.last, ended].into_iter().flatten().max();
    }

    /// A filter that matches the jobs of the group, and no others.
    #[cfg(feature = "top")]
    pub(crate) fn filter(&self) -> Filter {
        let (handler, error) = (self.handler.clone(), self.kind.clone());
        Filter { handler, error, is_exact: true, ..Filter::default() }
    }
}

/// The groups of one or all queues.
#[derive(Debug, Serialize)]
pub(crate) struct FailureGroups {
    /// Number of all failed jobs.
    pub(crate) total: usize,
    /// Number of jobs that were read, the newest of each queue.
    pub(crate) scanned: usize,
    pub(crate) groups: Vec<FailureGroup>,
    /// Keys of a wrong type, whose content is missing here.
    #[serde(rename = "odd_keys")]
    pub(crate) wrong_type_keys: WrongTypeKeys,
}

/// Groups the failed jobs of a queue, or of all queues, by handler and kind of error; the largest group is the first.
pub(crate) fn fetch_failure_groups(client: &Arc<Client>, queue: Option<&str>) -> Result<FailureGroups> {
    let mut all =
        FailureGroups { total: 0, scanned: 0, groups: Vec::new(), wrong_type_keys: WrongTypeKeys::default() };
    let queues = match queue {
        Some(name) => vec![name.to_owned()],
        None => all_queue_names(client, &mut all.wrong_type_keys)?,
    };
    let mut index = HashMap::new();
    for queue in queues {
        let mut scan = JobScan::new(client, &queue, JobList::Failed, SortOrder::Newest)?;
        all.total += scan.total;
        all.wrong_type_keys.merge(std::mem::take(&mut scan.wrong_type_keys));
        // `scanned` tells that the groups are incomplete.
        if scan.total == 0 || all.groups.len() >= MAX_GROUPS {
            continue;
        }
        let (scanned, _) = scan.run(0, |id, _, job| {
            add_to_group(&mut all.groups, &mut index, &queue, (id, job));
            true
        })?;
        all.scanned += scanned;
    }
    all.groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| b.last.cmp(&a.last)));
    Ok(all)
}

/// Positions of groups, by queue, handler and kind of error.
type GroupIndex = HashMap<(String, Option<String>, Option<String>), usize>;

fn add_to_group(
    groups: &mut Vec<FailureGroup>,
    index: &mut GroupIndex,
    queue: &str,
    (id, job): (&str, Option<&JobSummary>),
) {
    let handler = job.and_then(|job| job.handler.clone());
    let mut key = (queue.to_owned(), handler, job.and_then(JobSummary::error_key));
    let mut error = job.and_then(|job| job.error.as_deref()).map(display_error);
    if groups.len() >= MAX_GROUPS && !index.contains_key(&key) {
        key = (queue.to_owned(), None, None);
        error = None;
    }
    let ended = job.and_then(|job| job.ended_at);
    let position = *index.entry(key.clone()).or_insert_with(|| {
        let (queue, handler, kind) = key;
        let id = id.to_owned();
        groups.push(FailureGroup { queue, handler, error, kind, count: 0, first: ended, last: ended, id });
        groups.len() - 1
    });
    groups[position].add(ended);
}
