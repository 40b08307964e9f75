//! Entries in the records of schedulers: RQ's format, so that Python's tools read ours and we read theirs.

use std::time::Duration;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Cron;
use super::tick::EntryState;
use crate::job::{
    Arguments, JobSpec, NewJob, PyValue, Repeat, Retry, Ttl, iso, parse_duration, parse_json, read_json,
};

/// Name of the time zone of the machine on which the scheduler runs.
pub(super) const LOCAL_ZONE: &str = "local";

/// An entry in a scheduler's record: RQ's fields, and ours behind them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CronRecord {
    pub(super) func_name: String,
    #[serde(default)]
    name: String,
    pub(super) queue_name: String,
    /// A JSON list as text.
    pub(super) args: Option<String>,
    /// A JSON object as text.
    pub(super) kwargs: Option<String>,
    /// Interval in seconds, of an entry that has one instead of a cron expression.
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

/// Settings that RQ's entries do not have.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Extension {
    pub(super) tz: String,
    /// If `tz` is `local`: the name of the machine's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<String>,
    pub(super) catchup: String,
    pub(super) overlap: String,
    jitter: f64,
    retry: Option<RetryPolicy>,
    /// Number of repeats, and the seconds before each.
    repeat: Option<(u32, Vec<u64>)>,
    description: Option<String>,
    at_front: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RetryPolicy {
    max: u32,
    intervals: Vec<u64>,
    at_front: bool,
}

impl Extension {
    fn new(entry: &EntryState, spec: &JobSpec<'_>) -> Self {
        let (cron, schedule) = (&entry.cron, &entry.schedule);
        let retry = spec.retry.map(|retry| RetryPolicy {
            max: retry.max(),
            intervals: retry.intervals_in(entry.is_shared_with_python(), || 0.5),
            at_front: retry.is_at_front(),
        });
        Extension {
            tz: schedule.zone().to_owned(),
            zone: schedule.iana_zone().filter(|_| schedule.zone() == LOCAL_ZONE).map(str::to_owned),
            catchup: cron.catchup.to_string(),
            overlap: cron.overlap.to_string(),
            jitter: cron.jitter.as_secs_f64(),
            retry,
            repeat: spec.repeat.map(|repeat| (repeat.times(), repeat.intervals().to_vec())),
            description: spec.description.map(str::to_owned),
            at_front: cron.job.is_at_front(),
        }
    }

    /// Applies the settings to a job.
    fn apply(&self, mut job: NewJob) -> NewJob {
        fn durations(seconds: &[u64]) -> impl Iterator<Item = Duration> {
            seconds.iter().map(|seconds| Duration::from_secs(*seconds))
        }
        if let Some(policy) = &self.retry {
            let retry = Retry::list(durations(&policy.intervals), policy.max);
            job = job.retry(if policy.at_front { retry.at_front() } else { retry });
        }
        if let Some((times, intervals)) = &self.repeat {
            job = job.repeat(Repeat::list(durations(intervals), *times));
        }
        if let Some(text) = &self.description {
            job = job.description(text);
        }
        if self.at_front { job.at_front() } else { job }
    }
}

impl CronRecord {
    pub(super) fn new(entry: &EntryState) -> Self {
        let (cron, interval, spec) = (&entry.cron, entry.schedule.interval(), entry.cron.job.spec());
        let extension = Extension::new(entry, &spec);
        let time = |moment: Option<i64>| moment.and_then(|at| DateTime::from_timestamp(at, 0)).map(iso);
        let seconds = |ttl: Option<Ttl>| ttl.map(|ttl| ttl.as_seconds().into());
        CronRecord {
            func_name: cron.job.handler().to_owned(),
            name: cron.name.clone(),
            queue_name: cron.queue.clone(),
            args: spec.args,
            kwargs: spec.kwargs,
            interval,
            cron: interval.is_none().then(|| entry.schedule.to_string()),
            latest_enqueue_time: time(entry.last().filter(|_| entry.has_enqueued)),
            next_enqueue_time: time(entry.due()),
            job_timeout: Some(spec.timeout.into()),
            result_ttl: seconds(spec.result_ttl),
            ttl: seconds(spec.ttl),
            failure_ttl: seconds(spec.failure_ttl),
            meta: spec.meta,
            extension: Some(extension),
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

    /// The entry, as far as the record can be read.
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
        if let Some(extension) = &self.extension {
            job = extension.apply(job);
        }
        Cron::new(self.name(), self.schedule(), job).queue(&self.queue_name)
    }

    /// The name of the entry. RQ names an entry without a name after its function.
    pub(super) fn name(&self) -> &str {
        if self.name.is_empty() { &self.func_name } else { &self.name }
    }
}

/// Seconds of a duration as Python keeps it: a number, or a text like `10m`.
fn seconds(value: &Option<Value>) -> Option<i64> {
    match value.as_ref()? {
        Value::String(text) => Some(Ttl::from(parse_duration(text).ok()?).as_seconds()),
        value => value.as_i64(),
    }
}
