//! One look at everything, for all that shows it. Reads only.

mod cron_runs;
mod diagnostic;
mod failure_groups;
mod id_scan;
mod job_list;
mod job_view;
mod lease;
pub(crate) mod messages;
mod page;
mod rate_limited;
mod row;
mod run_history;
mod running;
mod warnings;
mod workers;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::Result;
use crate::job::from_iso;
use crate::queue::{all_queue_names, check_existing_or_valid};
use crate::stats::{self, Counts};
use crate::wrong_type::WrongTypeKeys;

pub(crate) use cron_runs::{CronRun, fetch_cron_history};
pub(crate) use diagnostic::Diagnostic;
pub(crate) use failure_groups::fetch_failure_groups;
#[cfg(feature = "top")]
pub(crate) use failure_groups::{FailureGroup, FailureGroups};
pub(crate) use id_scan::IdScan;
pub(crate) use job_list::{JobList, SortOrder};
pub(crate) use job_view::{fetch_job, fetch_job_bounded};
pub(crate) use page::{
    Filter, MAX_PAGE_SIZE, PageQuery, count_matching, count_remaining, fetch_page, fetch_scheduled,
    find_matching,
};
pub(crate) use row::{JobSummary, fetch_result_json, fetch_rows};
pub(crate) use run_history::fetch_run_history;
#[cfg(feature = "top")]
pub(crate) use running::RunningJob;
pub(crate) use running::fetch_running;
#[cfg(feature = "top")]
pub(crate) use warnings::WORKER_SILENCE_LIMIT;
use workers::fetch_workers;

/// How many queues are looked at in one round trip.
const BATCH: usize = 100;
/// More workers than this are counted but not shown.
const MAX_WORKERS: usize = 1000;

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
    pub(crate) warnings: Vec<Diagnostic>,
    /// Keys that are not what they should be, of which nothing is shown.
    pub(crate) odd_keys: WrongTypeKeys,
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
    pub(crate) fn merge(mut self, other: Self) -> Self {
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

    pub(crate) fn with_name(self, name: &str) -> Self {
        QueueView { name: name.to_owned(), ..self }
    }
}

/// A worker's record, under RQ's names.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerView {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) queues: Vec<String>,
    /// Whether there are more queues than these: more than is read of a worker, or of all.
    pub(crate) queues_cut: bool,
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

impl WorkerView {
    /// Whether it works on this queue. One of which not all queues are known counts as if it did: nobody may say of
    /// a queue that no worker listens while one might.
    pub(crate) fn listens_to(&self, queue: &str) -> bool {
        self.queues_cut || self.queues.iter().any(|one| one == queue)
    }

    /// Its queues in a line.
    pub(crate) fn joined_queues(&self, between: &str) -> String {
        let more = self.queues_cut.then_some("…");
        self.queues.iter().map(String::as_str).chain(more).collect::<Vec<_>>().join(between)
    }
}

/// Looks at these queues, or at all when none is named.
pub(crate) fn fetch(client: &Client, only: &[String]) -> Result<Snapshot> {
    only.iter().try_for_each(|name| check_existing_or_valid(client, name))?;
    let server = crate::server_info::fetch(client)?;
    let mut wrong_keys = WrongTypeKeys::default();
    let names = if only.is_empty() { all_queue_names(client, &mut wrong_keys)? } else { only.to_vec() };
    let suspended = client.query(&RedisCommand::new("EXISTS").arg(client.keys.suspended()))?;
    let mut queues = fetch_queues(client, &names, &mut wrong_keys)?;
    let now = server_time(client)?;
    let mut minutes = vec![Counts::default(); 60];
    for queues in queues.chunks_mut(BATCH) {
        fetch_details(client, queues, now, &mut minutes)?;
    }
    let mut workers = fetch_workers(client, &mut wrong_keys)?;
    for queue in &mut queues {
        queue.workers = workers.iter().filter(|worker| worker.listens_to(&queue.name)).count() as u64;
    }
    workers.retain(|worker| only.is_empty() || only.iter().any(|queue| worker.listens_to(queue)));
    let worker_count = workers.len();
    workers.truncate(MAX_WORKERS);
    let mut shot = Snapshot {
        server: ServerView {
            address: client.address(),
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
        odd_keys: wrong_keys,
        minutes,
        now,
    };
    shot.warnings = warnings::of(&shot);
    Ok(shot)
}

/// Redis' clock.
fn server_time(client: &Client) -> Result<DateTime<Utc>> {
    Ok(page::from_unix_seconds(crate::server_info::fetch_time(client)?).unwrap_or_default())
}

fn fetch_queues(client: &Client, names: &[String], wrong_keys: &mut WrongTypeKeys) -> Result<Vec<QueueView>> {
    let mut queues = Vec::with_capacity(names.len());
    for names in names.chunks(BATCH) {
        let keys: Vec<[String; 10]> = names.iter().map(|name| counted(client, name)).collect();
        let calls: Vec<RedisCommand> = keys.iter().flat_map(counts_of).collect();
        let mut answers = client.query_all(&calls)?.into_iter();
        for (name, keys) in names.iter().zip(keys) {
            queues.push(read_queue(name, &keys, &mut answers, wrong_keys)?);
        }
    }
    let mut limited = rate_limited::count_by_queue(client)?;
    for queue in &mut queues {
        queue.rate_limited = limited.remove(&queue.name).unwrap_or_default();
    }
    Ok(queues)
}

/// The keys of which is counted how much they hold.
fn counted(client: &Client, name: &str) -> [String; 10] {
    let keys = client.keys.queue(name);
    let lists = [client.keys.suspended_queues(), keys.list, keys.intermediate];
    let sets = [keys.wip, keys.finished, keys.failed, keys.scheduled, keys.deferred, keys.canceled];
    let [a, b, c] = lists;
    let [d, e, f, g, h, i] = sets;
    [a, b, c, d, e, f, g, h, i, keys.unreadable]
}

fn counts_of(keys: &[String; 10]) -> Vec<RedisCommand> {
    let call = |(at, key): (usize, &String)| match at {
        0 => RedisCommand::new("SISMEMBER").arg(key).arg(&keys[1]),
        1 | 2 => RedisCommand::new("LLEN").arg(key),
        _ => RedisCommand::new("ZCARD").arg(key),
    };
    keys.iter().enumerate().map(call).collect()
}

/// A key that another program has taken counts as nothing; the rest is shown all the same.
fn read_queue(
    name: &str,
    keys: &[String; 10],
    answers: &mut impl Iterator<Item = Result<Reply>>,
    wrong_keys: &mut WrongTypeKeys,
) -> Result<QueueView> {
    let mut counts = [0; 10];
    for (count, (key, answer)) in counts.iter_mut().zip(keys.iter().zip(answers)) {
        let found = wrong_keys.tolerate(key, answer.and_then(|count| reply::int(&count)))?;
        *count = u64::try_from(found).unwrap_or(0);
    }
    let [
        suspended,
        queued,
        intermediate,
        started,
        finished,
        failed,
        scheduled,
        deferred,
        canceled,
        unreadable,
    ] = counts;
    Ok(QueueView {
        name: name.to_owned(),
        suspended: suspended == 1,
        queued,
        intermediate,
        started,
        finished,
        failed,
        scheduled,
        deferred,
        rate_limited: 0,
        canceled,
        unreadable,
        workers: 0,
        oldest_waiting: None,
        last_hour: Counts::default(),
        today: Counts::default(),
    })
}

/// What is worth a look when the counts are known: how long the next jobs have waited, and the last hour, of which
/// it adds the minutes to those of the others.
fn fetch_details(
    client: &Client,
    queues: &mut [QueueView],
    now: DateTime<Utc>,
    all: &mut Vec<Counts>,
) -> Result<()> {
    let names: Vec<String> = queues.iter().map(|queue| queue.name.clone()).collect();
    let minute = now.timestamp() / 60;
    for (queue, series) in queues.iter_mut().zip(stats::fetch_series(client, &names)?) {
        let minutes = series.minutes(minute, 60);
        queue.last_hour = stats::sum(&minutes);
        run_history::add_counts(all, minutes);
        queue.today = stats::sum(&series.days(minute / 1440, 1));
    }
    let next = if client.dialect.pops_from_tail { -1 } else { 0 };
    let head = |name: &String| RedisCommand::new("LINDEX").arg(client.keys.queue(name).list).arg(next);
    let heads = client.query_all(&names.iter().map(head).collect::<Vec<_>>())?;
    let ids: Vec<Option<String>> =
        heads.into_iter().map(|id| id.and_then(reply::text).unwrap_or_default()).collect();
    let times = |id: &Option<String>| {
        let key = client.keys.job(id.as_deref().unwrap_or_default());
        RedisCommand::new("HMGET").arg(key).arg("enqueued_at").arg("created_at")
    };
    for (queue, answer) in
        queues.iter_mut().zip(client.query_all(&ids.iter().map(times).collect::<Vec<_>>())?)
    {
        let times = answer.and_then(reply::texts).unwrap_or_default();
        let since = times.iter().find_map(|time| from_iso(time));
        queue.oldest_waiting = since.map(|since| (now - since).as_seconds_f64().max(0.0));
    }
    Ok(())
}

/// Whether a worker runs its functions in `threads` or `processes`, if it says so.
pub(crate) fn fetch_runs_in(client: &Client, worker: Option<&str>) -> Result<Option<String>> {
    let Some(name) = worker else { return Ok(None) };
    reply::text(client.query(&RedisCommand::new("HGET").arg(client.keys.worker(name)).arg("runs_in"))?)
}
