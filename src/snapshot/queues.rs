//! Queues: the number of jobs in each of their lists and registries, and the recent runs.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::lists::rate_limited;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::Result;
use crate::job::from_iso;
use crate::stats::{self, Counts};
use crate::wrong_type::WrongTypeKeys;

/// Number of queues that are read in one round trip.
pub(super) const QUEUES_PER_BATCH: usize = 100;
/// Minutes in the last hour, the current one included.
const LAST_HOUR: usize = 60;

/// A queue with the number of its jobs by state.
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
    /// Jobs that wait for a rate limit; an estimate when there are very many.
    pub(crate) rate_limited: u64,
    pub(crate) canceled: u64,
    pub(crate) unreadable: u64,
    /// Workers that listen to the queue.
    pub(crate) workers: u64,
    /// Seconds that the next job has waited.
    pub(crate) oldest_waiting: Option<f64>,
    /// Runs that ended in the last sixty minutes, the current one included.
    pub(crate) last_hour: Counts,
    /// Runs that ended on the current day, in UTC.
    pub(crate) today: Counts,
}

impl QueueView {
    /// Adds the numbers of another queue to those of this one; the name stays.
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

/// Fetches the numbers of these queues. Their `workers`, times and runs stay empty.
pub(super) fn fetch_queues(
    client: &Client,
    names: &[String],
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<Vec<QueueView>> {
    let mut queues = Vec::with_capacity(names.len());
    for names in names.chunks(QUEUES_PER_BATCH) {
        let keys: Vec<[String; 10]> = names.iter().map(|name| counted_keys(client, name)).collect();
        let commands: Vec<RedisCommand> = keys.iter().flat_map(count_commands).collect();
        let mut replies = client.call_all(&commands)?.into_iter();
        for (name, keys) in names.iter().zip(keys) {
            queues.push(queue_view(name, read_counts(&keys, &mut replies, wrong_type_keys)?));
        }
    }
    let mut limited = rate_limited::count_by_queue(client)?;
    for queue in &mut queues {
        queue.rate_limited = limited.remove(&queue.name).unwrap_or_default();
    }
    Ok(queues)
}

/// Keys whose members are counted; the first one is the set of suspended queues, in which the queue is looked up.
fn counted_keys(client: &Client, name: &str) -> [String; 10] {
    let keys = client.keys.queue(name);
    let lists = [client.keys.suspended_queues(), keys.list, keys.intermediate];
    let sets = [keys.wip, keys.finished, keys.failed, keys.scheduled, keys.deferred, keys.canceled];
    let [a, b, c] = lists;
    let [d, e, f, g, h, i] = sets;
    [a, b, c, d, e, f, g, h, i, keys.unreadable]
}

fn count_commands(keys: &[String; 10]) -> Vec<RedisCommand> {
    let command = |(at, key): (usize, &String)| match at {
        0 => RedisCommand::new("SISMEMBER").arg(key).arg(&keys[1]),
        1 | 2 => RedisCommand::new("LLEN").arg(key),
        _ => RedisCommand::new("ZCARD").arg(key),
    };
    keys.iter().enumerate().map(command).collect()
}

/// Reads the replies for one queue. A key of a wrong type counts as empty.
fn read_counts(
    keys: &[String; 10],
    replies: &mut impl Iterator<Item = Result<Reply>>,
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<[u64; 10]> {
    let mut counts = [0; 10];
    for (count, (key, reply)) in counts.iter_mut().zip(keys.iter().zip(replies)) {
        let found = wrong_type_keys.tolerate(key, reply.and_then(|count| reply::int(&count)))?;
        *count = u64::try_from(found).unwrap_or(0);
    }
    Ok(counts)
}

fn queue_view(name: &str, counts: [u64; 10]) -> QueueView {
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
    QueueView {
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
    }
}

/// Adds the recent runs and the waiting times to these queues. Returns the runs of all of them together in each
/// minute of the last hour.
pub(super) fn fetch_details(
    client: &Client,
    queues: &mut [QueueView],
    now: DateTime<Utc>,
) -> Result<Vec<Counts>> {
    let mut minutes = vec![Counts::default(); LAST_HOUR];
    for queues in queues.chunks_mut(QUEUES_PER_BATCH) {
        fetch_runs(client, queues, now, &mut minutes)?;
        fetch_waiting_times(client, queues, now)?;
    }
    Ok(minutes)
}

/// Adds the runs of the last hour and of the day to these queues, and the last minutes to `all_minutes`.
fn fetch_runs(
    client: &Client,
    queues: &mut [QueueView],
    now: DateTime<Utc>,
    all_minutes: &mut Vec<Counts>,
) -> Result<()> {
    let names: Vec<String> = queues.iter().map(|queue| queue.name.clone()).collect();
    let minute = now.timestamp() / 60;
    for (queue, series) in queues.iter_mut().zip(stats::fetch_series(client, &names)?) {
        let minutes = series.minutes(minute, LAST_HOUR as i64);
        queue.last_hour = stats::sum(&minutes);
        stats::add_each(all_minutes, minutes);
        queue.today = stats::sum(&series.days(minute / 1440, 1));
    }
    Ok(())
}

/// Adds to these queues the seconds that their next jobs have waited.
fn fetch_waiting_times(client: &Client, queues: &mut [QueueView], now: DateTime<Utc>) -> Result<()> {
    let next = if client.dialect.pops_from_right { -1 } else { 0 };
    let front =
        |queue: &QueueView| RedisCommand::new("LINDEX").arg(client.keys.queue(&queue.name).list).arg(next);
    let ids = client.call_all(&queues.iter().map(front).collect::<Vec<_>>())?;
    let times = |id: Result<Reply>| {
        let id = id.and_then(reply::text).unwrap_or_default();
        let key = client.keys.job(id.as_deref().unwrap_or_default());
        RedisCommand::new("HMGET").arg(key).arg("enqueued_at").arg("created_at")
    };
    let times = client.call_all(&ids.into_iter().map(times).collect::<Vec<_>>())?;
    for (queue, reply) in queues.iter_mut().zip(times) {
        let times = reply.and_then(reply::texts).unwrap_or_default();
        let since = times.iter().find_map(|time| from_iso(time));
        queue.oldest_waiting = since.map(|since| (now - since).as_seconds_f64().max(0.0));
    }
    Ok(())
}
