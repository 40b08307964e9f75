//! Pages of a queue's jobs, and what a filter fits. Each look is bounded, however many jobs there are.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::limited;
use crate::error::{Error, Result};
use crate::handle::Job;
use crate::job::{Record, Status, check_queue_name, error_line};
use crate::queue::{Queue, all_names};
use crate::registry::Registry;
use crate::store::{Call, Store, reply};

/// The largest page.
pub(crate) const LARGEST: usize = 200;
/// A filter looks at so many jobs at a time, for so long.
const SCANNED: usize = 10_000;
const SCANS_FOR: Duration = Duration::from_secs(2);
/// How many records are read together: as many as there is memory for, were they all large.
const BATCH: usize = 50;
/// How much is shown of a description or an error.
const SHOWN: usize = 300;

/// Where a queue's jobs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Queued,
    Started,
    Finished,
    Failed,
    Scheduled,
    Deferred,
    RateLimited,
    Canceled,
    Unreadable,
}

impl Place {
    const ALL: [(&'static str, Place); 9] = [
        ("queued", Place::Queued),
        ("started", Place::Started),
        ("finished", Place::Finished),
        ("failed", Place::Failed),
        ("scheduled", Place::Scheduled),
        ("deferred", Place::Deferred),
        ("rate_limited", Place::RateLimited),
        ("canceled", Place::Canceled),
        ("unreadable", Place::Unreadable),
    ];

    pub(crate) fn name(self) -> &'static str {
        Place::ALL.iter().find(|(_, place)| *place == self).map_or("", |(name, _)| name)
    }

    /// The registry; none for those that wait in the list, or for a limit of many queues.
    pub(crate) fn registry(self, queue: &Queue) -> Option<Registry> {
        Some(match self {
            Place::Queued | Place::RateLimited => return None,
            Place::Started => queue.started(),
            Place::Finished => queue.finished(),
            Place::Failed => queue.failed(),
            Place::Scheduled => queue.scheduled(),
            Place::Deferred => queue.deferred(),
            Place::Canceled => queue.canceled(),
            Place::Unreadable => queue.unreadable(),
        })
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || {
            let names: Vec<&str> = Place::ALL.iter().map(|(name, _)| *name).collect();
            Error::invalid(format!("there is no registry {text:?}"), format!("one of {}", names.join(", ")))
        };
        Place::ALL.iter().find(|(name, _)| *name == text).map(|(_, place)| *place).ok_or_else(unknown)
    }
}

/// What comes first. Of those that wait it is the next one that is the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    Newest,
    Oldest,
}

/// What narrows a page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// The whole name.
    pub(crate) handler: Option<String>,
    /// Parts, whatever their case.
    pub(crate) error: Option<String>,
    pub(crate) text: Option<String>,
    /// Handler and line of the error are to be these, none where none is given.
    pub(crate) is_exact: bool,
    /// Descriptions are not looked at: who asks may not see them.
    pub(crate) is_blind: bool,
}

impl Filter {
    pub(crate) fn is_empty(&self) -> bool {
        self.handler.is_none() && self.error.is_none() && self.text.is_none()
    }

    fn fits(&self, id: &str, job: Option<&Record>) -> bool {
        let has = |part: &str, text: &str| text.to_lowercase().contains(&part.to_lowercase());
        let error = job.and_then(|job| job.exc_info.as_deref()).unwrap_or_default();
        let description = job.filter(|_| !self.is_blind).map_or("", |job| job.description.as_str());
        let handler = job.and_then(|job| job.handler.as_deref());
        let is_of_kind = match self.is_exact {
            true => self.handler.as_deref() == handler && self.error == error_of(job),
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

/// A job in a list: some of the fields of its record.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Brief {
    pub(crate) id: String,
    /// `None` when its record has expired or cannot be read.
    pub(crate) status: Option<Status>,
    pub(crate) origin: String,
    pub(crate) handler: Option<String>,
    pub(crate) description: String,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) enqueued_at: Option<DateTime<Utc>>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// When one that is scheduled is due.
    pub(crate) due: Option<DateTime<Utc>>,
    pub(crate) worker_name: Option<String>,
    /// The first line.
    pub(crate) error: Option<String>,
    pub(crate) number_of_retries: u32,
    pub(crate) retries_left: Option<u32>,
}

impl Brief {
    fn new(id: String, queue: &str, job: Option<&Record>, due: Option<DateTime<Utc>>) -> Self {
        let time = |of: fn(&Record) -> Option<DateTime<Utc>>| job.and_then(of);
        Brief {
            status: job.map(|job| job.status),
            origin: job.map(|job| job.origin.clone()).filter(|name| !name.is_empty()).unwrap_or(queue.into()),
            handler: job.and_then(|job| job.handler.clone()),
            description: job.map(|job| one_line(&job.description)).unwrap_or_default(),
            created_at: time(|job| job.created_at),
            enqueued_at: time(|job| job.enqueued_at),
            started_at: time(|job| job.started_at),
            ended_at: time(|job| job.ended_at),
            due,
            worker_name: job.and_then(|job| job.worker_name.clone()),
            error: error_of(job),
            number_of_retries: job.map_or(0, |job| job.number_of_retries),
            retries_left: job.and_then(|job| job.retries_left),
            id,
        }
    }
}

/// As much of a text as fits a table.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(SHOWN).collect()
}

/// What an error says, as short.
pub(super) fn short_error(text: &str) -> String {
    one_line(error_line(text))
}

/// What a job failed with.
pub(super) fn error_of(job: Option<&Record>) -> Option<String> {
    job.and_then(|job| job.exc_info.as_deref()).map(short_error)
}

/// A part of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) queue: Option<String>,
    pub(crate) registry: &'static str,
    pub(crate) total: usize,
    pub(crate) offset: usize,
    pub(crate) limit: usize,
    pub(crate) order: Order,
    /// At how many a filter has looked.
    pub(crate) scanned: usize,
    /// Where it goes on.
    pub(crate) next: Option<usize>,
    pub(crate) jobs: Vec<Brief>,
    /// The server's clock.
    pub(crate) now: DateTime<Utc>,
}

/// What a page is asked for with.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
    pub(crate) order: Order,
    pub(crate) filter: Filter,
}

/// A page of one queue.
pub(crate) fn page(store: &Arc<Store>, queue: &str, place: Place, asked: &Asked) -> Result<Page> {
    let mut jobs = Vec::new();
    let walk = Walk::new(store, queue, place, asked)?;
    let (scanned, next) = walk.run(asked.offset, |id, score, job| {
        if asked.filter.fits(id, job) {
            let due = score.filter(|_| place == Place::Scheduled).and_then(moment);
            jobs.push(Brief::new(id.to_owned(), queue, job, due));
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
        now: super::now(store)?,
    })
}

/// How many a filter fits, as far as it has looked.
#[derive(Debug, Serialize)]
pub(crate) struct Count {
    pub(crate) matched: usize,
    pub(crate) scanned: usize,
    pub(crate) total: usize,
}

pub(crate) fn count(store: &Arc<Store>, queue: &str, place: Place, asked: &Asked) -> Result<Count> {
    let walk = Walk::new(store, queue, place, asked)?;
    let total = walk.total;
    if asked.filter.is_empty() {
        return Ok(Count { matched: total, scanned: total, total });
    }
    let mut matched = 0;
    let (scanned, _) = walk.run(0, |id, _, job| {
        matched += usize::from(asked.filter.fits(id, job));
        true
    })?;
    Ok(Count { matched, scanned, total })
}

/// What a filter fits, as far as one look goes.
pub(crate) struct Matching {
    /// The ids that it fits, at most so many.
    pub(crate) ids: Vec<String>,
    /// All that were looked at, in their order.
    pub(crate) seen: Vec<String>,
    pub(crate) total: usize,
}

pub(crate) fn matching(store: &Arc<Store>, queue: &str, place: Place, asked: &Asked) -> Result<Matching> {
    let (mut ids, mut seen) = (Vec::new(), Vec::new());
    let mut walk = Walk::new(store, queue, place, asked)?;
    walk.is_blind = asked.filter.is_empty();
    walk.run(asked.offset, |id, _, job| {
        seen.push(id.to_owned());
        if asked.filter.fits(id, job) {
            ids.push(id.to_owned());
        }
        ids.len() < asked.limit
    })?;
    Ok(Matching { ids, seen, total: walk.total })
}

/// How many of these, which were in a place from an offset on, are there still.
pub(crate) fn kept(
    store: &Arc<Store>,
    queue: &str,
    place: Place,
    (offset, seen): (usize, &[String]),
) -> Result<usize> {
    let there = ids(store, queue, place, Order::Oldest, (offset, seen.len()))?;
    let seen: HashSet<&str> = seen.iter().map(String::as_str).collect();
    Ok(there.iter().filter(|(id, _)| seen.contains(id.as_str())).count())
}

/// The jobs of a registry one after the other, as far as one look goes.
pub(super) struct Walk<'a> {
    store: &'a Arc<Store>,
    queue: &'a str,
    place: Place,
    order: Order,
    /// Whether ids are enough.
    is_blind: bool,
    pub(super) total: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(store: &'a Arc<Store>, queue: &'a str, place: Place, asked: &Asked) -> Result<Self> {
        let here = Queue::on(store, queue)?;
        let total = place.registry(&here).map_or_else(|| here.count(), |registry| registry.count());
        let total = if place == Place::RateLimited { limited::count(store, queue) } else { lenient(total) }?;
        Ok(Walk { store, queue, place, order: asked.order, is_blind: false, total })
    }

    /// Shows each one, from an offset on, until somebody has seen enough, or the look was long enough. Returns at
    /// how many it has looked and where to go on.
    pub(super) fn run(
        &self,
        offset: usize,
        mut see: impl FnMut(&str, Option<f64>, Option<&Record>) -> bool,
    ) -> Result<(usize, Option<usize>)> {
        let (began, mut scanned) = (Instant::now(), 0);
        loop {
            let batch = ids(self.store, self.queue, self.place, self.order, (offset + scanned, BATCH))?;
            if batch.is_empty() {
                return Ok((scanned, None));
            }
            let (names, scores): (Vec<String>, Vec<Option<f64>>) = batch.into_iter().unzip();
            let found = match self.is_blind {
                true => names.into_iter().map(|id| (id, None)).collect(),
                false => jobs(self.store, names)?,
            };
            for ((id, job), score) in found.into_iter().zip(scores) {
                scanned += 1;
                if !see(&id, score, job.as_ref()) {
                    return Ok((scanned, Some(offset + scanned).filter(|next| *next < self.total)));
                }
            }
            if scanned >= SCANNED || began.elapsed() >= SCANS_FOR {
                return Ok((scanned, Some(offset + scanned).filter(|next| *next < self.total)));
            }
        }
    }
}

/// Ids of one registry, and their scores where it has them.
pub(super) fn ids(
    store: &Arc<Store>,
    queue: &str,
    place: Place,
    order: Order,
    (offset, limit): (usize, usize),
) -> Result<Vec<(String, Option<f64>)>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let queue = Queue::on(store, queue)?;
    let Some(registry) = place.registry(&queue) else {
        let ids = match order {
            _ if place == Place::RateLimited => return limited::part(store, &queue, order, (offset, limit)),
            Order::Oldest => lenient(queue.ids(offset, limit))?,
            Order::Newest => {
                let rest = lenient(queue.count())?.saturating_sub(offset);
                let mut ids = lenient(queue.ids(rest.saturating_sub(limit), limit.min(rest)))?;
                ids.reverse();
                ids
            }
        };
        return Ok(ids.into_iter().map(|id| (id, None)).collect());
    };
    let command = if order == Order::Newest { "ZREVRANGE" } else { "ZRANGE" };
    let call =
        Call::command(command).arg(registry.key()).arg(offset).arg(offset + limit - 1).arg("WITHSCORES");
    let texts = lenient(store.ask(&call).and_then(reply::texts))?;
    let entry = |pair: &[String]| {
        // `<job>:<execution>`; old RQ wrote no execution.
        let id = match place {
            Place::Started => pair[0].rsplit_once(':').map_or(pair[0].as_str(), |(id, _)| id),
            _ => &pair[0],
        };
        (id.to_owned(), pair[1].parse().ok())
    };
    Ok(texts.chunks_exact(2).map(entry).collect())
}

/// A key that another program has taken counts as nothing.
pub(super) fn lenient<T: Default>(found: Result<T>) -> Result<T> {
    match found {
        Err(Error::Refused { reason }) if reason.starts_with("WRONGTYPE") => Ok(T::default()),
        found => found,
    }
}

/// All queues that have a name of ours. Python's may have others, which are counted only.
pub(crate) fn queue_names(store: &Store) -> Result<Vec<String>> {
    let mut names = all_names(store)?;
    names.retain(|name| check_queue_name(name).is_ok());
    Ok(names)
}

/// The records of these; none of those that have expired or cannot be read.
pub(super) fn jobs(store: &Arc<Store>, ids: Vec<String>) -> Result<Vec<(String, Option<Record>)>> {
    let mut found = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        for (id, job) in batch.iter().zip(Job::fetch_all(store, batch)?) {
            found.push((id.clone(), job.ok().map(Job::into_record)));
        }
    }
    Ok(found)
}

pub(super) fn moment(seconds: f64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
}

/// Further than this the list of a queue is to be read.
const FURTHEST: usize = 10_000;
/// Queues of which the jobs that are scheduled are shown together.
const QUEUES: usize = 200;

/// What is scheduled in all queues, the next one due first.
pub(crate) fn scheduled(store: &Arc<Store>, offset: usize, limit: usize) -> Result<Page> {
    let mut all = Vec::new();
    let mut total = 0;
    // Of each queue as many as there would be if all were its.
    let most = (offset + limit).min(FURTHEST);
    for queue in queue_names(store)?.into_iter().take(QUEUES) {
        total += lenient(Queue::on(store, &queue)?.scheduled().count())?;
        for (id, due) in ids(store, &queue, Place::Scheduled, Order::Oldest, (0, most))? {
            all.push((due.unwrap_or_default(), id, queue.clone()));
        }
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let shown: Vec<_> = all.into_iter().skip(offset).take(limit).collect();
    let found = jobs(store, shown.iter().map(|(_, id, _)| id.clone()).collect())?;
    let brief = |((due, id, queue), (_, job)): ((f64, String, String), (String, Option<Record>))| {
        Brief::new(id, &queue, job.as_ref(), moment(due))
    };
    let jobs: Vec<Brief> = shown.into_iter().zip(found).map(brief).collect();
    let next = Some(offset + jobs.len()).filter(|next| *next < total.min(FURTHEST) && jobs.len() == limit);
    let (registry, order, scanned) = (Place::Scheduled.name(), Order::Oldest, jobs.len());
    let now = super::now(store)?;
    Ok(Page { queue: None, registry, total, offset, limit, order, scanned, next, jobs, now })
}
