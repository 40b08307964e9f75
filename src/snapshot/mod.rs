//! One look at everything, for all that shows it. Reads only.

mod cron;
mod groups;
mod history;
mod lease;
mod limited;
mod note;
mod page;
mod running;
mod warnings;
mod why;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::{check_queue_name, from_iso};
use crate::queue::all_names;
use crate::stats::{self, Counts};
use crate::store::{Call, Reply, Store, reply};

pub(crate) use cron::{Past, cron_history};
pub(crate) use groups::failed;
#[cfg(feature = "top")]
pub(crate) use groups::{Group, Groups};
pub(crate) use history::history;
pub(crate) use note::Note;
pub(crate) use page::{
    Asked, Filter, LARGEST, Order, Place, count, kept, matching, page, queue_names, scheduled,
};
#[cfg(feature = "top")]
pub(crate) use running::Running;
pub(crate) use running::running;
pub(crate) use why::look_at_job;

/// How many queues are looked at in one round trip.
const TOGETHER: usize = 100;
/// More workers than this are counted but not shown; and more than that are not looked at.
const WORKERS_SHOWN: usize = 1000;
const WORKERS_COUNTED: usize = 20_000;

/// What is in a deployment at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    pub(crate) server: ServerView,
    /// Whether all workers are suspended.
    pub(crate) suspended: bool,
    pub(crate) queues: Vec<QueueView>,
    pub(crate) workers: Vec<WorkerView>,
    /// How many there are; no more than a thousand are shown.
    pub(crate) worker_count: usize,
    /// What somebody should look at.
    pub(crate) warnings: Vec<Note>,
    /// Runs of these queues that ended in each of the last sixty minutes; the last one is this one.
    pub(crate) minutes: Vec<Counts>,
    /// The server's clock.
    pub(crate) now: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ServerView {
    pub(crate) address: String,
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) used_memory: Option<u64>,
    pub(crate) maxmemory: Option<u64>,
    pub(crate) maxmemory_policy: Option<String>,
}

/// How many jobs of one queue are where.
#[derive(Debug, Serialize)]
pub(crate) struct QueueView {
    pub(crate) name: String,
    pub(crate) suspended: bool,
    pub(crate) queued: u64,
    pub(crate) intermediate: u64,
    pub(crate) started: u64,
    pub(crate) finished: u64,
    pub(crate) failed: u64,
    pub(crate) scheduled: u64,
    pub(crate) deferred: u64,
    /// Those that wait for a rate limit. When there are very many, about so many.
    pub(crate) rate_limited: u64,
    pub(crate) canceled: u64,
    pub(crate) unreadable: u64,
    pub(crate) workers: u64,
    /// How long the next job has waited, in seconds.
    pub(crate) oldest_waiting: Option<f64>,
    /// Runs that ended in the last sixty minutes, this one included.
    pub(crate) last_hour: Counts,
    /// The same for this day, in UTC.
    pub(crate) today: Counts,
}

impl QueueView {
    /// Two of them, as if they were one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.suspended &= other.suspended;
        self.queued += other.queued;
        self.intermediate += other.intermediate;
        self.started += other.started;
        self.finished += other.finished;
        self.failed += other.failed;
        self.scheduled += other.scheduled;
        self.deferred += other.deferred;
        self.rate_limited += other.rate_limited;
        self.canceled += other.canceled;
        self.unreadable += other.unreadable;
        let oldest = [self.oldest_waiting, other.oldest_waiting].into_iter().flatten();
        self.oldest_waiting = oldest.reduce(f64::max);
        self
    }

    pub(crate) fn named(self, name: &str) -> Self {
        QueueView { name: name.to_owned(), ..self }
    }
}

/// A worker's record, under RQ's names.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerView {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) queues: Vec<String>,
    pub(crate) hostname: String,
    pub(crate) pid: Option<u32>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) version: String,
    pub(crate) birth: Option<String>,
    pub(crate) last_heartbeat: Option<String>,
    /// When it was last well: fetching, or with every slot busy.
    pub(crate) last_fetch: Option<String>,
    pub(crate) successful_job_count: u64,
    pub(crate) failed_job_count: u64,
    pub(crate) total_working_time: f64,
    /// `threads` or `processes`; nothing of Python's workers.
    pub(crate) runs_in: Option<String>,
    /// Whether it was told to start no more jobs.
    pub(crate) quiet: bool,
    /// Bytes that its process has resident, as it says.
    pub(crate) memory: Option<u64>,
    /// Threads that run on past the time of their jobs.
    pub(crate) stuck_threads: u64,
    /// Jobs of lost workers that it has put back.
    pub(crate) recovered_count: u64,
    /// Ends of runs that were refused.
    pub(crate) stale_count: u64,
    /// How often Redis was away and came back.
    pub(crate) reconnect_count: u64,
    /// For how many seconds a job stays with it when it is silent, as it says.
    pub(crate) lease: Option<i64>,
    /// How many jobs of a handler it runs at once, for those that have a limit; `*` is for all others.
    pub(crate) handler_limits: BTreeMap<String, usize>,
}

/// Looks at these queues, or at all when none is named.
pub(crate) fn look(store: &Store, only: &[String]) -> Result<Snapshot> {
    only.iter().try_for_each(|name| check_queue_name(name))?;
    let server = crate::server::look(store)?;
    let names = if only.is_empty() { all_names(store)? } else { only.to_vec() };
    let suspended = store.ask(&Call::command("EXISTS").arg(store.keys.suspended()))?;
    let mut queues = look_at_queues(store, &names)?;
    let now = now(store)?;
    let minutes = look_closer(store, &mut queues, now)?;
    let mut workers = look_at_workers(store)?;
    for queue in &mut queues {
        queue.workers = workers.iter().filter(|worker| worker.queues.contains(&queue.name)).count() as u64;
    }
    workers.retain(|worker| only.is_empty() || worker.queues.iter().any(|queue| only.contains(queue)));
    let worker_count = workers.len();
    workers.truncate(WORKERS_SHOWN);
    let mut shot = Snapshot {
        server: ServerView {
            address: store.address(),
            name: server.name,
            version: server.version,
            used_memory: server.used_memory,
            maxmemory: server.maxmemory,
            maxmemory_policy: server.policy,
        },
        suspended: reply::int(&suspended)? == 1,
        queues,
        workers,
        worker_count,
        warnings: Vec::new(),
        minutes,
        now,
    };
    shot.warnings = warnings::of(&shot);
    Ok(shot)
}

/// Redis' clock.
fn now(store: &Store) -> Result<DateTime<Utc>> {
    Ok(page::moment(crate::server::clock(store)?).unwrap_or_default())
}

fn look_at_queues(store: &Store, names: &[String]) -> Result<Vec<QueueView>> {
    let mut queues = Vec::with_capacity(names.len());
    for names in names.chunks(TOGETHER) {
        let calls: Vec<Call> = names.iter().flat_map(|name| counts_of(store, name)).collect();
        let mut answers = store.ask_all(&calls)?.into_iter();
        queues.extend(names.iter().map(|name| read_queue(name, &mut answers)));
    }
    let mut limited = limited::counts(store)?;
    for queue in &mut queues {
        queue.rate_limited = limited.remove(&queue.name).unwrap_or_default();
    }
    Ok(queues)
}

fn counts_of(store: &Store, name: &str) -> Vec<Call> {
    let QueueKeys {
        list,
        intermediate,
        wip,
        finished,
        failed,
        scheduled,
        deferred,
        canceled,
        unreadable,
        ..
    } = store.keys.queue(name);
    let paused = Call::command("SISMEMBER").arg(store.keys.suspended_queues()).arg(&list);
    let mut calls = vec![paused, Call::command("LLEN").arg(&list), Call::command("LLEN").arg(&intermediate)];
    calls.extend(
        [wip, finished, failed, scheduled, deferred, canceled, unreadable]
            .map(|key| Call::command("ZCARD").arg(key)),
    );
    calls
}

/// A key that another program has taken counts as nothing; the rest is shown all the same.
fn read_queue(name: &str, answers: &mut impl Iterator<Item = Result<Reply>>) -> QueueView {
    let mut next = || {
        let count = answers.next().unwrap_or(Ok(Reply::Nil)).and_then(|count| reply::int(&count));
        u64::try_from(count.unwrap_or(0)).unwrap_or(0)
    };
    QueueView {
        name: name.to_owned(),
        suspended: next() == 1,
        queued: next(),
        intermediate: next(),
        started: next(),
        finished: next(),
        failed: next(),
        scheduled: next(),
        deferred: next(),
        rate_limited: 0,
        canceled: next(),
        unreadable: next(),
        workers: 0,
        oldest_waiting: None,
        last_hour: Counts::default(),
        today: Counts::default(),
    }
}

/// What is worth a look when the counts are known: how long the next jobs have waited, and the last hour, of which
/// it returns the minutes of all together.
fn look_closer(store: &Store, queues: &mut [QueueView], now: DateTime<Utc>) -> Result<Vec<Counts>> {
    let names: Vec<String> = queues.iter().map(|queue| queue.name.clone()).collect();
    let minute = now.timestamp() / 60;
    let mut all = vec![Counts::default(); 60];
    for (queue, series) in queues.iter_mut().zip(stats::read(store, &names)?) {
        let minutes = series.minutes(minute, 60);
        queue.last_hour = stats::sum(&minutes);
        history::add(&mut all, minutes);
        queue.today = stats::sum(&series.days(minute / 1440, 1));
    }
    let next = if store.facts.next_is_last { -1 } else { 0 };
    let head = |name: &String| Call::command("LINDEX").arg(store.keys.queue(name).list).arg(next);
    let heads = store.ask_all(&names.iter().map(head).collect::<Vec<_>>())?;
    let ids: Vec<Option<String>> =
        heads.into_iter().map(|id| id.and_then(reply::text).unwrap_or_default()).collect();
    let times = |id: &Option<String>| {
        let key = store.keys.job(id.as_deref().unwrap_or_default());
        Call::command("HMGET").arg(key).arg("enqueued_at").arg("created_at")
    };
    for (queue, answer) in queues.iter_mut().zip(store.ask_all(&ids.iter().map(times).collect::<Vec<_>>())?) {
        let times = answer.and_then(reply::texts).unwrap_or_default();
        let since = times.iter().find_map(|time| from_iso(time));
        queue.oldest_waiting = since.map(|since| (now - since).as_seconds_f64().max(0.0));
    }
    Ok(all)
}

fn look_at_workers(store: &Store) -> Result<Vec<WorkerView>> {
    let all = store.ask(&Call::command("SMEMBERS").arg(store.keys.workers())).and_then(reply::texts);
    let mut keys = page::lenient(all)?;
    keys.sort_unstable();
    keys.truncate(WORKERS_COUNTED);
    let mut workers = Vec::with_capacity(keys.len());
    for keys in keys.chunks(TOGETHER) {
        let calls: Vec<Call> = keys.iter().map(|key| Call::command("HGETALL").arg(key)).collect();
        for (key, answer) in keys.iter().zip(store.ask_all(&calls)?) {
            let fields = answer.and_then(reply::pairs).unwrap_or_default();
            // A record whose time has passed belongs to a worker that died without a farewell.
            if let Some(name) = store.keys.worker_name(key).filter(|_| !fields.is_empty()) {
                workers.push(read_worker(name, &crate::job::Fields(fields)));
            }
        }
    }
    Ok(workers)
}

/// Whether a worker runs its functions in `threads` or `processes`, if it says so.
pub(crate) fn runs_in(store: &Store, worker: Option<&str>) -> Result<Option<String>> {
    let Some(name) = worker else { return Ok(None) };
    reply::text(store.ask(&Call::command("HGET").arg(store.keys.worker(name)).arg("runs_in"))?)
}

fn read_worker(name: &str, fields: &crate::job::Fields) -> WorkerView {
    let text = |field: &str| fields.get(field).map(|value| String::from_utf8_lossy(value).into_owned());
    let number = |field: &str| text(field).and_then(|value| value.parse::<u64>().ok());
    WorkerView {
        name: name.to_owned(),
        state: text("state").unwrap_or_else(|| "?".to_owned()),
        queues: text("queues")
            .unwrap_or_default()
            .split(',')
            .filter(|q| !q.is_empty())
            .map(str::to_owned)
            .collect(),
        hostname: text("hostname").unwrap_or_default(),
        pid: number("pid").and_then(|pid| u32::try_from(pid).ok()),
        concurrency: number("concurrency").and_then(|slots| u32::try_from(slots).ok()),
        version: text("version").unwrap_or_default(),
        birth: text("birth"),
        last_heartbeat: text("last_heartbeat"),
        last_fetch: text("last_fetch"),
        successful_job_count: number("successful_job_count").unwrap_or(0),
        failed_job_count: number("failed_job_count").unwrap_or(0),
        total_working_time: text("total_working_time").and_then(|value| value.parse().ok()).unwrap_or(0.0),
        runs_in: text("runs_in"),
        quiet: number("quiet") == Some(1),
        memory: number("memory"),
        stuck_threads: number("stuck_threads").unwrap_or(0),
        recovered_count: number("recovered_count").unwrap_or(0),
        stale_count: number("stale_count").unwrap_or(0),
        reconnect_count: number("reconnect_count").unwrap_or(0),
        lease: number("lease").and_then(|seconds| i64::try_from(seconds).ok()),
        handler_limits: text("handler_limits")
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
    }
}
