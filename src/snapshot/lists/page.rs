//! Pages of jobs: of one list of a queue, and of the scheduled jobs of all queues.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::filter::Filter;
use super::ids::{count_jobs, fetch_ids};
use super::job_list::{JobList, SortOrder};
use super::job_scan::JobScan;
use super::row;
use crate::client::Client;
use crate::error::Result;
use crate::job::{JobSummary, from_unix_seconds};
use crate::queue::all_queue_names;
use crate::wrong_type::WrongTypeKeys;

/// Largest number of jobs on a page.
pub(crate) const MAX_PAGE_SIZE: usize = 200;
/// Largest offset in the list of all scheduled jobs.
const MAX_SCHEDULED_OFFSET: usize = 10_000;
/// Largest number of queues whose scheduled jobs are in one list.
const MAX_SCHEDULED_QUEUES: usize = 200;

/// Part of a list of jobs.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) queue: Option<String>,
    pub(crate) registry: &'static str,
    /// Number of all jobs in the list.
    pub(crate) total: usize,
    pub(crate) offset: usize,
    pub(crate) limit: usize,
    pub(crate) order: SortOrder,
    /// Number of jobs that were read for this page; with a filter more than `jobs` has.
    pub(crate) scanned: usize,
    /// Offset of the next page, if there is one.
    pub(crate) next: Option<usize>,
    pub(crate) jobs: Vec<JobSummary>,
    /// Keys of a wrong type, whose content is missing here.
    #[serde(rename = "odd_keys")]
    pub(crate) wrong_type_keys: WrongTypeKeys,
    /// Redis' clock.
    pub(crate) now: DateTime<Utc>,
}

/// Parameters of a page.
#[derive(Debug, Clone)]
pub(crate) struct PageQuery {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
    pub(crate) order: SortOrder,
    pub(crate) filter: Filter,
}

/// Fetches a page of one list of a queue.
pub(crate) fn fetch_page(
    client: &Arc<Client>,
    queue: &str,
    list: JobList,
    query: &PageQuery,
) -> Result<Page> {
    let mut jobs = Vec::new();
    let scan = JobScan::new(client, queue, list, query.order)?;
    let (scanned, next) = scan.run(query.offset, |id, score, job| {
        if query.filter.matches(id, job) {
            let due = score.filter(|_| list == JobList::Scheduled).and_then(from_unix_seconds);
            jobs.push(row::list_row(id.to_owned(), queue, job, due));
        }
        jobs.len() < query.limit
    })?;
    Ok(Page {
        queue: Some(queue.to_owned()),
        registry: list.name(),
        total: scan.total,
        offset: query.offset,
        limit: query.limit,
        order: query.order,
        scanned,
        next,
        jobs,
        wrong_type_keys: scan.wrong_type_keys,
        now: client.server_now()?,
    })
}

/// Fetches a page of the scheduled jobs of all queues, the next due first.
pub(crate) fn fetch_scheduled(client: &Arc<Client>, offset: usize, limit: usize) -> Result<Page> {
    let mut wrong_type_keys = WrongTypeKeys::default();
    let until = (offset + limit).min(MAX_SCHEDULED_OFFSET);
    let (all, total) = fetch_next_scheduled(client, until, &mut wrong_type_keys)?;
    let on_page: Vec<_> = all.into_iter().skip(offset).take(limit).collect();
    let ids: Vec<&str> = on_page.iter().map(|(_, id, _)| id.as_str()).collect();
    let mut jobs = Vec::with_capacity(ids.len());
    for ((due, id, queue), job) in on_page.iter().zip(row::fetch_display_rows(client, &ids)?) {
        jobs.push(row::list_row(id.clone(), queue, job.as_ref(), from_unix_seconds(*due)));
    }
    let next = Some(offset + jobs.len())
        .filter(|next| *next < total.min(MAX_SCHEDULED_OFFSET) && jobs.len() == limit);
    let (registry, order, scanned) = (JobList::Scheduled.name(), SortOrder::Oldest, jobs.len());
    let now = client.server_now()?;
    Ok(Page { queue: None, registry, total, offset, limit, order, scanned, next, jobs, wrong_type_keys, now })
}

/// A scheduled job: when it is due in seconds since 1970, its id and its queue.
type ScheduledId = (f64, String, Arc<str>);

/// Fetches the `limit` scheduled jobs that are due first, and counts all of them.
fn fetch_next_scheduled(
    client: &Arc<Client>,
    limit: usize,
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<(Vec<ScheduledId>, usize)> {
    let (mut all, mut total) = (Vec::new(), 0);
    for queue in all_queue_names(client, wrong_type_keys)?.into_iter().take(MAX_SCHEDULED_QUEUES) {
        total += count_jobs(client, &queue, JobList::Scheduled, wrong_type_keys)?;
        let queue: Arc<str> = queue.into();
        // All that are due first may be of one queue.
        let ids =
            fetch_ids(client, (&queue, JobList::Scheduled), SortOrder::Oldest, (0, limit), wrong_type_keys)?;
        all.extend(ids.into_iter().map(|(id, due)| (due.unwrap_or_default(), id, Arc::clone(&queue))));
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all.truncate(limit);
    }
    Ok((all, total))
}
