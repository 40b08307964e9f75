//! What is kept of entries, in RQ's own records, so that Python's tools read ours and ours read Python's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Cron;
use super::scheduler::{CronScheduler, EntryState};
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::{
    Arguments, NewJob, PyValue, Repeat, Retry, Ttl, iso, parse_duration, parse_json, read_json,
};
use crate::wrong_type::WrongTypeKeys;

/// How long a scheduler's record outlives its last heartbeat: RQ's 120 s.
pub(super) const RECORD_TTL: Duration = Duration::from_secs(120);

/// Who has entries: a worker, or `rq-rs cron`.
pub(crate) struct SchedulerInfo {
    pub(crate) name: String,
    pub(crate) hostname: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) config_file: String,
}

/// An entry in a scheduler's record: RQ's fields, and ours behind them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CronRecord {
    pub(super) func_name: String,
    #[serde(default)]
    name: String,
    pub(super) queue_name: String,
    /// JSON in JSON.
    pub(super) args: Option<String>,
    pub(super) kwargs: Option<String>,
    pub(super) interval: Option<i64>,
    cron: Option<String>,
    pub(super) latest_enqueue_time: Option<String>,
    pub(super) next_enqueue_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_timeout: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_ttl: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_ttl: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) meta: Option<String>,
    #[serde(rename = "rq_rs", skip_serializing_if = "Option::is_none")]
    pub(super) extension: Option<Extension>,
}

/// What RQ does not have.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Extension {
    pub(super) tz: String,
    /// The name of the zone that `local` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<String>,
    pub(super) catchup: String,
    pub(super) overlap: String,
    jitter: f64,
    retry: Option<RetryPolicy>,
    /// How often it is repeated, and after which seconds.
    repeat: Option<(u32, Vec<u64>)>,
    description: Option<String>,
    at_front: bool,
}

impl Extension {
    /// What RQ's fields do not say of a job.
    fn apply(&self, mut job: NewJob) -> NewJob {
        fn all(seconds: &[u64]) -> impl Iterator<Item = Duration> {
            seconds.iter().map(|seconds| Duration::from_secs(*seconds))
        }
        if let Some(policy) = &self.retry {
            let retry = Retry::list(all(&policy.intervals), policy.max);
            job = job.retry(if policy.at_front { retry.at_front() } else { retry });
        }
        if let Some((times, intervals)) = &self.repeat {
            job = job.repeat(Repeat::list(all(intervals), *times));
        }
        if let Some(text) = &self.description {
            job = job.description(text);
        }
        if self.at_front { job.at_front() } else { job }
    }
}

/// Python keeps a time as it was given: a number, or text as in `10m`.
fn seconds(value: &Option<Value>) -> Option<i64> {
    match value.as_ref()? {
        Value::String(text) => Some(Ttl::from(parse_duration(text).ok()?).as_seconds()),
        value => value.as_i64(),
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RetryPolicy {
    max: u32,
    intervals: Vec<u64>,
    at_front: bool,
}

impl CronRecord {
    fn new(entry: &EntryState) -> Self {
        let (cron, interval) = (&entry.cron, entry.schedule.interval());
        let view = cron.job.spec();
        let time = |moment: Option<i64>| moment.and_then(|at| DateTime::from_timestamp(at, 0)).map(iso);
        let retry = view.retry.map(|retry| RetryPolicy {
            max: retry.max(),
            intervals: retry.intervals_in(entry.is_rq(), || 0.5),
            at_front: retry.is_at_front(),
        });
        CronRecord {
            func_name: cron.job.handler().to_owned(),
            name: cron.name.clone(),
            queue_name: cron.queue.clone(),
            args: view.args,
            kwargs: view.kwargs,
            interval,
            cron: interval.is_none().then(|| entry.schedule.to_string()),
            latest_enqueue_time: time(entry.last().filter(|_| entry.has_job)),
            next_enqueue_time: time(entry.due()),
            job_timeout: Some(view.timeout.into()),
            result_ttl: view.result_ttl.map(|ttl| ttl.as_seconds().into()),
            ttl: view.ttl.map(|ttl| ttl.as_seconds().into()),
            failure_ttl: view.failure_ttl.map(|ttl| ttl.as_seconds().into()),
            meta: view.meta,
            extension: Some(Extension {
                tz: entry.schedule.zone().to_owned(),
                zone: entry
                    .schedule
                    .iana_zone()
                    .filter(|_| entry.schedule.zone() == LOCAL_ZONE)
                    .map(str::to_owned),
                catchup: cron.catchup.to_string(),
                overlap: cron.overlap.to_string(),
                jitter: cron.jitter.as_secs_f64(),
                retry,
                repeat: view.repeat.map(|repeat| (repeat.times(), repeat.intervals().to_vec())),
                description: view.description.map(str::to_owned),
                at_front: cron.job.is_at_front(),
            }),
        }
    }

    pub(super) fn args(&self) -> Vec<Value> {
        self.args.as_deref().and_then(|text| read_json(text.as_bytes()).ok()).unwrap_or_default()
    }

    pub(super) fn kwargs(&self) -> Map<String, Value> {
        self.kwargs.as_deref().and_then(|text| read_json(text.as_bytes()).ok()).unwrap_or_default()
    }

    pub(super) fn schedule(&self) -> String {
        match (&self.cron, self.interval) {
            (Some(cron), _) => cron.clone(),
            (None, seconds) => format!("every {}s", seconds.unwrap_or_default()),
        }
    }

    /// The entry that was noted, as far as it can be read.
    pub(super) fn cron(&self) -> Cron {
        let arguments = Arguments::from_texts(self.args.as_deref(), self.kwargs.as_deref());
        let mut job = NewJob::with_arguments(self.func_name.clone(), arguments);
        job = match seconds(&self.job_timeout) {
            Some(seconds) if seconds > 0 => job.timeout(Duration::from_secs(seconds.unsigned_abs())),
            Some(_) => job.no_timeout(),
            None => job,
        };
        let ttl = |value| seconds(value).and_then(Ttl::from_seconds);
        job = ttl(&self.result_ttl).into_iter().fold(job, NewJob::result_ttl);
        job = ttl(&self.failure_ttl).into_iter().fold(job, NewJob::failure_ttl);
        job = ttl(&self.ttl).into_iter().fold(job, NewJob::ttl);
        let meta = self.meta.as_deref().and_then(|text| parse_json(text).ok());
        if let Some(meta) = meta.filter(PyValue::is_dict) {
            job = job.meta(meta);
        }
        if let Some(ours) = &self.extension {
            job = ours.apply(job);
        }
        Cron::new(self.name(), self.schedule(), job).queue(&self.queue_name)
    }

    /// RQ names an entry after its function when it has no name.
    pub(super) fn name(&self) -> &str {
        if self.name.is_empty() { &self.func_name } else { &self.name }
    }
}

/// The zone of whichever machine keeps the entry.
pub(super) const LOCAL_ZONE: &str = "local";

/// Writes what Python's tools read of a scheduler, and says that it lives at this moment.
pub(crate) fn publish(
    client: &Client,
    scheduler: &SchedulerInfo,
    ticker: &CronScheduler,
    now: f64,
) -> Result<()> {
    let noted: Vec<CronRecord> = ticker.entries.iter().map(CronRecord::new).collect();
    let key = client.keys.cron_scheduler(&scheduler.name);
    let record = RedisCommand::new("HSET")
        .arg(&key)
        .arg("hostname")
        .arg(&scheduler.hostname)
        .arg("pid")
        .arg(std::process::id())
        .arg("name")
        .arg(&scheduler.name)
        .arg("created_at")
        .arg(iso(scheduler.created_at))
        .arg("config_file")
        .arg(&scheduler.config_file)
        .arg("cron_jobs")
        .arg(serde_json::to_string(&noted).unwrap_or_default());
    let calls = [
        record,
        RedisCommand::new("EXPIRE").arg(&key).arg(RECORD_TTL.as_secs()),
        RedisCommand::new("ZADD").arg(client.keys.cron_schedulers()).arg(now).arg(&scheduler.name),
    ];
    client.query_all(&calls)?.into_iter().try_for_each(|answer| answer.map(drop))
}

/// It ends. RQ leaves the record to its time to live.
pub(crate) fn deregister(client: &Client, name: &str) -> Result<()> {
    client.query(&RedisCommand::new("ZREM").arg(client.keys.cron_schedulers()).arg(name)).map(drop)
}

/// How many jobs of an entry are remembered.
pub(crate) fn count_history(client: &Client, name: &str, wrong_keys: &mut WrongTypeKeys) -> Result<usize> {
    let key = client.keys.cron_entry_jobs(name);
    let count = client.query(&RedisCommand::new("ZCARD").arg(&key)).and_then(|count| reply::int(&count));
    Ok(usize::try_from(wrong_keys.tolerate(&key, count)?).unwrap_or(0))
}

/// The ids of an entry's jobs, the newest first, and when they were enqueued.
pub(crate) fn fetch_history(
    client: &Client,
    name: &str,
    limit: usize,
    wrong_keys: &mut WrongTypeKeys,
) -> Result<Vec<(String, DateTime<Utc>)>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let key = client.keys.cron_entry_jobs(name);
    let call = RedisCommand::new("ZREVRANGE").arg(&key).arg(0).arg(limit - 1).arg("WITHSCORES");
    let texts = wrong_keys.tolerate(&key, client.query(&call).and_then(reply::texts))?;
    let entry = |pair: &[String]| {
        let millis = pair[1].parse::<f64>().unwrap_or_default() * 1000.0;
        (pair[0].clone(), DateTime::from_timestamp_millis(millis as i64).unwrap_or_default())
    };
    Ok(texts.chunks_exact(2).map(entry).collect())
}
