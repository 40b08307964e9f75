//! Entries as users see them, read from the records of their schedulers and from the state of their ticks in Redis.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::record_scan::{FOR_LIST, for_each_record};
use super::records::{CronRecord, LOCAL_ZONE};
use super::schedule::Schedule;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::Result;
use crate::job::{from_iso, from_unix_seconds};
use crate::wrong_type::WrongTypeKeys;

/// Number of entries whose ticks are read in one round trip.
const ENTRIES_PER_BATCH: usize = 1000;
/// Bytes that a list may take, without arguments.
const MAX_LIST_SIZE: usize = 4 * 1024 * 1024;
/// Bytes that the arguments in a list may take together.
const MAX_ARGUMENTS_SIZE: usize = 768 * 1024;
/// Bytes that the arguments of one entry in a list may take.
const MAX_ARGUMENTS_OF_ONE: usize = 64 * 1024;
/// Estimated bytes of an entry without its texts.
const VIEW_OVERHEAD: usize = 600;

/// An entry as users see it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CronView {
    pub(crate) name: String,
    pub(crate) schedule: String,
    pub(crate) tz: Option<String>,
    /// If `tz` is `local`: the name of the machine's time zone, if it has one.
    pub(crate) zone: Option<String>,
    pub(crate) handler: String,
    pub(crate) args: Vec<Value>,
    pub(crate) kwargs: Map<String, Value>,
    /// `args` or `kwargs`, if they are left out because they are too large for a list.
    pub(crate) cut: Vec<&'static str>,
    pub(crate) queue: String,
    pub(crate) catchup: Option<String>,
    pub(crate) overlap: Option<String>,
    /// Time at which the next job is due.
    pub(crate) next: Option<DateTime<Utc>>,
    /// Time at which the last job was enqueued.
    pub(crate) last: Option<DateTime<Utc>>,
    pub(crate) last_job: Option<String>,
    pub(crate) paused: bool,
    /// Number of workers and `cron` commands that have the entry now.
    pub(crate) schedulers: usize,
    /// `true` if a scheduler of Python has the entry. Only Python pauses such an entry.
    pub(crate) python: bool,
    #[serde(skip)]
    is_interval: bool,
}

impl CronView {
    /// The view of a record, with its arguments if they fit into the budget.
    fn new(record: &CronRecord, budget: &mut usize) -> Self {
        let time = |text: &Option<String>| text.as_deref().and_then(from_iso);
        let extension = record.extension.as_ref();
        let mut cut = Vec::new();
        let mut fits = |text: &Option<String>, name| {
            let size = text.as_ref().map_or(0, String::len);
            let fits = size <= MAX_ARGUMENTS_OF_ONE && size <= *budget;
            if fits {
                *budget -= size;
            } else {
                cut.push(name);
            }
            fits
        };
        let args = if fits(&record.args, "args") { record.args() } else { Vec::new() };
        let kwargs = if fits(&record.kwargs, "kwargs") { record.kwargs() } else { Map::new() };
        CronView {
            name: record.name().to_owned(),
            schedule: record.schedule(),
            tz: extension.map(|extension| extension.tz.clone()),
            zone: extension.and_then(|extension| extension.zone.clone()),
            handler: record.func_name.clone(),
            args,
            kwargs,
            cut,
            queue: record.queue_name.clone(),
            catchup: extension.map(|extension| extension.catchup.clone()),
            overlap: extension.map(|extension| extension.overlap.clone()),
            next: time(&record.next_enqueue_time),
            last: time(&record.latest_enqueue_time),
            last_job: None,
            paused: false,
            schedulers: 1,
            python: extension.is_none(),
            is_interval: record.interval.is_some(),
        }
    }

    /// Bytes that the view takes without its arguments.
    fn size(&self) -> usize {
        let optional = [&self.tz, &self.zone, &self.catchup, &self.overlap];
        let optional: usize = optional.into_iter().flatten().map(String::len).sum();
        VIEW_OVERHEAD
            + self.name.len()
            + self.schedule.len()
            + self.handler.len()
            + self.queue.len()
            + optional
    }

    /// The first tick after `last`. `None` if the zone is known to the scheduler's machine only.
    fn next_tick(&self, last: i64) -> Option<DateTime<Utc>> {
        let named = self.zone.as_deref().or(self.tz.as_deref().filter(|tz| *tz != LOCAL_ZONE));
        let zone = if self.is_interval { "UTC" } else { named? };
        let next = Schedule::parse(&self.schedule, Some(zone)).ok()?.next_after(last)?;
        DateTime::from_timestamp(next, 0)
    }
}

/// The entries of all schedulers that are alive.
pub(crate) struct CronList {
    /// Entries by name.
    pub(crate) entries: Vec<CronView>,
    /// Keys of a wrong type, whose content is missing here.
    pub(crate) wrong_type_keys: WrongTypeKeys,
    /// `true` if there are more entries than these.
    pub(crate) is_cut: bool,
}

/// Fetches all entries.
pub(crate) fn list_entries(client: &Arc<Client>, now: f64) -> Result<CronList> {
    let (mut wrong_type_keys, mut found) = (WrongTypeKeys::default(), BTreeMap::<String, CronView>::new());
    let (mut budget, mut arguments_budget, mut is_over) = (MAX_LIST_SIZE, MAX_ARGUMENTS_SIZE, false);
    let is_cut = for_each_record(client, now, FOR_LIST, &mut wrong_type_keys, |record| {
        if let Some(view) = found.get_mut(record.name()) {
            view.schedulers += 1;
        } else {
            let view = CronView::new(&record, &mut arguments_budget);
            match budget.checked_sub(view.size()) {
                Some(left) => {
                    budget = left;
                    found.insert(view.name.clone(), view);
                }
                None => is_over = true,
            }
        }
        ControlFlow::Continue(())
    })?;
    let mut entries: Vec<CronView> = found.into_values().collect();
    for views in entries.chunks_mut(ENTRIES_PER_BATCH) {
        fetch_ticks(client, views, &mut wrong_type_keys)?;
    }
    Ok(CronList { entries, wrong_type_keys, is_cut: is_cut || is_over })
}

/// Adds the state of the ticks of these entries from Redis, which no single scheduler knows.
fn fetch_ticks(
    client: &Arc<Client>,
    views: &mut [CronView],
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<()> {
    let jobs = client.keys.cron_jobs();
    let entry = |view: &CronView| {
        let key = client.keys.cron_entry(&view.name);
        RedisCommand::new("HMGET").arg(key).arg("last").arg("job").arg("paused")
    };
    let enqueued = |view: &CronView| RedisCommand::new("ZSCORE").arg(&jobs).arg(&view.name);
    let commands = views.iter().flat_map(|view| [entry(view), enqueued(view)]).collect::<Vec<_>>();
    let mut replies = client.call_all(&commands)?.into_iter();
    let mut next = || replies.next().unwrap_or(Ok(Reply::Nil));
    for view in views {
        let (entry, enqueued) = (next(), next());
        let enqueued = wrong_type_keys.tolerate(&jobs, enqueued.and_then(reply::text))?;
        view.last = enqueued.and_then(|seconds| from_unix_seconds(seconds.parse().ok()?));
        let key = client.keys.cron_entry(&view.name);
        let mut fields = wrong_type_keys.tolerate(&key, entry.and_then(reply::list))?.into_iter();
        let mut text = || reply::text(fields.next().unwrap_or(Reply::Nil));
        let last = text()?.and_then(|last| last.parse().ok());
        (view.last_job, view.paused) = (text()?, text()?.is_some());
        if let Some(last) = last.filter(|_| !view.python) {
            view.next = view.next_tick(last).max(view.next);
        }
    }
    Ok(())
}
