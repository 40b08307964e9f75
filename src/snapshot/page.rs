//! Pages of a queue's jobs, and what a filter fits. Each look is bounded, however many jobs there are.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::job_list::{JobList, SortOrder};
use super::rate_limited;
use super::row::{self, JobSummary};
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::error_key;
use crate::queue::{Queue, all_queue_names};
use crate::wrong_type::WrongTypeKeys;

/// The largest page.
pub(crate) const MAX_PAGE_SIZE: usize = 200;
/// A filter looks at so many jobs at a time, for so long.
const MAX_SCANNED: usize = 10_000;
const SCAN_TIME_LIMIT: Duration = Duration::from_secs(2);
/// How many ids are read together.
const BATCH: usize = 50;

/// What narrows a page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// The whole name.
    pub(crate) handler: Option<String>,
    /// Parts, whatever their case.
    pub(crate) error: Option<String>,
    pub(crate) text: Option<String>,
    /// Handler and kind of the error are to be these, none where none is given.
    pub(crate) is_exact: bool,
    /// Descriptions are not looked at: who asks may not see them.
    pub(crate) hide_text: bool,
}

impl Filter {
    pub(crate) fn is_empty(&self) -> bool {
        self.handler.is_none() && self.error.is_none() && self.text.is_none()
    }

    fn matches(&self, id: &str, job: Option<&JobSummary>) -> bool {
        let has = |part: &str, text: &str| text.to_lowercase().contains(&part.to_lowercase());
        let error = job.and_then(|job| job.error.as_deref()).unwrap_or_default();
        let description = job.filter(|_| !self.hide_text).map_or("", |job| job.description.as_str());
        let handler = job.and_then(|job| job.handler.as_deref());
        let is_of_kind = match self.is_exact {
            true => {
                let kind = self.error.as_deref().map(error_key);
                self.handler.as_deref() == handler && kind == job.and_then(JobSummary::error_key)
            }
            false => {
                self.handler.as_deref().is_none_or(|name| handler == Some(name))
                    && self.error.as_deref().is_none_or(|part| has(part, error))
            }
        };
        is_of_kind
            && self
                .text
                .as_deref()
                .is_none_or(|part| [id, description, error].into_iter().any(|text| has(part, text)))
    }
}

/// A part of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) queue: Option<String>,
    pub(crate) registry: &'static str,
    pub(crate) total: usize,
    pub(crate) offset: usize,
    pub(crate) limit: usize,
    pub(crate) order: SortOrder,
    /// At how many a filter has looked.
    pub(crate) scanned: usize,
    /// Where it goes on.
    pub(crate) next: Option<usize>,
    pub(crate) jobs: Vec<JobSummary>,
    /// Keys that are not what they should be, of which nothing is shown.
    pub(crate) odd_keys: WrongTypeKeys,
    /// The server's clock.
    pub(crate) now: DateTime<Utc>,
}

/// What a page is asked for with.
#[derive(Debug, Clone)]
pub(crate) struct PageQuery {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
    pub(crate) order: SortOrder,
    pub(crate) filter: Filter,
}

/// A page of one queue.
pub(crate) fn fetch_page(
    client: &Arc<Client>,
    queue: &str,
    place: JobList,
    asked: &PageQuery,
) -> Result<Page> {
    let mut jobs = Vec::new();
    let walk = Scan::new(client, queue, place, asked)?;
    let (scanned, next) = walk.run(asked.offset, |id, score, job| {
        if asked.filter.matches(id, job) {
            let due = score.filter(|_| place == JobList::Scheduled).and_then(from_unix_seconds);
            jobs.push(row::listed(id.to_owned(), queue, job, due));
        }
        jobs.len() < asked.limit
    })?;
    Ok(Page {
        queue: Some(queue.to_owned()),
        registry: place.name(),
        total: walk.total,
        offset: asked.offset,
        limit: asked.limit,
        order: asked.order,
        scanned,
        next,
        jobs,
        odd_keys: walk.wrong_keys,
        now: super::server_time(client)?,
    })
}

/// How many a filter fits, as far as it has looked.
#[derive(Debug, Serialize)]
pub(crate) struct Count {
    pub(crate) matched: usize,
    pub(crate) scanned: usize,
    pub(crate) total: usize,
}

pub(crate) fn count_matching(
    client: &Arc<Client>,
    queue: &str,
    place: JobList,
    asked: &PageQuery,
) -> Result<Count> {
    let walk = Scan::new(client, queue, place, asked)?;
    let total = walk.total;
    if asked.filter.is_empty() {
        return Ok(Count { matched: total, scanned: total, total });
    }
    let mut matched = 0;
    let (scanned, _) = walk.run(0, |id, _, job| {
        matched += usize::from(asked.filter.matches(id, job));
        true
    })?;
    Ok(Count { matched, scanned, total })
}

/// What a filter fits, as far as one look goes.
pub(crate) struct Matches {
    /// The ids that it fits, at most so many.
    pub(crate) ids: Vec<String>,
    /// All that were looked at, in their order.
    pub(crate) seen: Vec<String>,
    pub(crate) total: usize,
}

pub(crate) fn find_matching(
    client: &Arc<Client>,
    queue: &str,
    place: JobList,
    asked: &PageQuery,
) -> Result<Matches> {
    let (mut ids, mut seen) = (Vec::new(), Vec::new());
    let mut walk = Scan::new(client, queue, place, asked)?;
    walk.ids_only = asked.filter.is_empty();
    walk.run(asked.offset, |id, _, job| {
        seen.push(id.to_owned());
        if asked.filter.matches(id, job) {
            ids.push(id.to_owned());
        }
        ids.len() < asked.limit
    })?;
    Ok(Matches { ids, seen, total: walk.total })
}

/// How many of these, which were in a place from an offset on, are there still.
pub(crate) fn count_remaining(
    client: &Arc<Client>,
    queue: &str,
    place: JobList,
    (offset, seen): (usize, &[String]),
) -> Result<usize> {
    let mut wrong_keys = WrongTypeKeys::default();
    let there = fetch_ids(client, (queue, place), SortOrder::Oldest, (offset, seen.len()), &mut wrong_keys)?;
    let seen: HashSet<&str> = seen.iter().map(String::as_str).collect();
    Ok(there.iter().filter(|(id, _)| seen.contains(id.as_str())).count())
}

/// The jobs of a registry one after the other, as far as one look goes.
pub(super) struct Scan<'a> {
    client: &'a Arc<Client>,
    queue: &'a str,
    place: JobList,
    order: SortOrder,
    /// Whether ids are enough.
    ids_only: bool,
    pub(super) total: usize,
    pub(super) wrong_keys: WrongTypeKeys,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        client: &'a Arc<Client>,
        queue: &'a str,
        place: JobList,
        asked: &PageQuery,
    ) -> Result<Self> {
        let mut wrong_keys = WrongTypeKeys::default();
        let total = count_jobs(client, queue, place, &mut wrong_keys)?;
        Ok(Scan { client, queue, place, order: asked.order, ids_only: false, total, wrong_keys })
    }

    /// Shows each one, from an offset on, until somebody has seen enough, or the look was long enough. Returns at
    /// how many it has looked and where to go on.
    pub(super) fn run(
        &self,
        offset: usize,
        mut see: impl FnMut(&str, Option<f64>, Option<&JobSummary>) -> bool,
    ) -> Result<(usize, Option<usize>)> {
        let (began, mut scanned) = (Instant::now(), 0);
        loop {
            let (place, mut wrong_keys) = (self.place, WrongTypeKeys::default());
            let batch = fetch_ids(
                self.client,
                (self.queue, place),
                self.order,
                (offset + scanned, BATCH),
                &mut wrong_keys,
            )?;
            if batch.is_empty() {
                return Ok((scanned, None));
            }
            let (names, scores): (Vec<String>, Vec<Option<f64>>) = batch.into_iter().unzip();
            let found = match self.ids_only {
                true => vec![None; names.len()],
                false => row::fetch_readable_rows(self.client, &names)?,
            };
            for ((id, job), score) in names.iter().zip(found).zip(scores) {
                scanned += 1;
                if !see(id, score, job.as_ref()) {
                    return Ok((scanned, Some(offset + scanned).filter(|next| *next < self.total)));
                }
            }
            if scanned >= MAX_SCANNED || began.elapsed() >= SCAN_TIME_LIMIT {
                return Ok((scanned, Some(offset + scanned).filter(|next| *next < self.total)));
            }
        }
    }
}

/// How many jobs are in one place.
pub(crate) fn count_jobs(
    client: &Arc<Client>,
    queue: &str,
    place: JobList,
    wrong_keys: &mut WrongTypeKeys,
) -> Result<usize> {
    if place == JobList::RateLimited {
        return rate_limited::count_in_queue(client, queue);
    }
    let queue = Queue::with_any_name(client, queue);
    match place.registry(&queue) {
        Some(registry) => wrong_keys.tolerate(registry.key(), registry.count()),
        None => wrong_keys.tolerate(&queue.keys().list, queue.count()),
    }
}

/// Ids of one registry, and their scores where it has them.
pub(crate) fn fetch_ids(
    client: &Arc<Client>,
    (queue, place): (&str, JobList),
    order: SortOrder,
    (offset, limit): (usize, usize),
    wrong_keys: &mut WrongTypeKeys,
) -> Result<Vec<(String, Option<f64>)>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let queue = Queue::with_any_name(client, queue);
    let Some(registry) = place.registry(&queue) else {
        let list = &queue.keys().list;
        let ids = match order {
            _ if place == JobList::RateLimited => {
                return rate_limited::fetch_ids(client, &queue, order, (offset, limit));
            }
            SortOrder::Oldest => wrong_keys.tolerate(list, queue.ids(offset, limit))?,
            SortOrder::Newest => {
                let rest = wrong_keys.tolerate(list, queue.count())?.saturating_sub(offset);
                let mut ids =
                    wrong_keys.tolerate(list, queue.ids(rest.saturating_sub(limit), limit.min(rest)))?;
                ids.reverse();
                ids
            }
        };
        return Ok(ids.into_iter().map(|id| (id, None)).collect());
    };
    let command = if order == SortOrder::Newest { "ZREVRANGE" } else { "ZRANGE" };
    let call =
        RedisCommand::new(command).arg(registry.key()).arg(offset).arg(offset + limit - 1).arg("WITHSCORES");
    let texts = wrong_keys.tolerate(registry.key(), client.query(&call).and_then(reply::texts))?;
    let entry = |pair: &[String]| {
        // `<job>:<execution>`; old RQ wrote no execution.
        let id = match place {
            JobList::Started => pair[0].rsplit_once(':').map_or(pair[0].as_str(), |(id, _)| id),
            _ => &pair[0],
        };
        (id.to_owned(), pair[1].parse().ok())
    };
    Ok(texts.chunks_exact(2).map(entry).collect())
}

pub(super) fn from_unix_seconds(seconds: f64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
}

/// Further than this the list of a queue is to be read.
const MAX_OFFSET: usize = 10_000;
/// Queues of which the jobs that are scheduled are shown together.
const MAX_QUEUES: usize = 200;

/// What is scheduled in all queues, the next one due first.
pub(crate) fn fetch_scheduled(client: &Arc<Client>, offset: usize, limit: usize) -> Result<Page> {
    let (mut all, mut total, mut wrong_keys) = (Vec::new(), 0, WrongTypeKeys::default());
    // Of each queue as many as there would be if all were its.
    let most = (offset + limit).min(MAX_OFFSET);
    for queue in all_queue_names(client, &mut wrong_keys)?.into_iter().take(MAX_QUEUES) {
        total += count_jobs(client, &queue, JobList::Scheduled, &mut wrong_keys)?;
        let queue: Arc<str> = queue.into();
        for (id, due) in
            fetch_ids(client, (&queue, JobList::Scheduled), SortOrder::Oldest, (0, most), &mut wrong_keys)?
        {
            all.push((due.unwrap_or_default(), id, Arc::clone(&queue)));
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all.truncate(most);
    }
    let shown: Vec<_> = all.into_iter().skip(offset).take(limit).collect();
    let names: Vec<&str> = shown.iter().map(|(_, id, _)| id.as_str()).collect();
    let mut jobs = Vec::with_capacity(names.len());
    for ((due, id, queue), job) in shown.iter().zip(row::fetch_display_rows(client, &names)?) {
        jobs.push(row::listed(id.clone(), queue, job.as_ref(), from_unix_seconds(*due)));
    }
    let next = Some(offset + jobs.len()).filter(|next| *next < total.min(MAX_OFFSET) && jobs.len() == limit);
    let (registry, order, scanned) = (JobList::Scheduled.name(), SortOrder::Oldest, jobs.len());
    let (odd_keys, now) = (wrong_keys, super::server_time(client)?);
    Ok(Page { queue: None, registry, total, offset, limit, order, scanned, next, jobs, odd_keys, now })
}
