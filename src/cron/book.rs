//! What is kept of entries, in RQ's own records, so that Python's tools read ours and ours read Python's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ticker::{Entry, Ticker};
use super::{Cron, schedule::Schedule};
use crate::error::{Error, Result};
use crate::job::{
    Arguments, NewJob, PyValue, Repeat, Retry, Ttl, Want, from_iso, iso, parse_duration, parse_json,
    read_json,
};
use crate::odd::Odd;
use crate::peek;
use crate::store::{Call, Reply, Store, reply};

/// How long a scheduler's record outlives its last heartbeat: RQ's 120 s.
const SILENT: Duration = Duration::from_secs(120);
/// How many schedulers are looked at, those that were heard of last.
const SCHEDULERS: usize = 1000;

/// How many of their records are read together, how large one may be, and all of them.
const TOGETHER: usize = 5;
const ENTRIES: usize = 512 * 1024;
const ALL_ENTRIES: usize = 4 * ENTRIES;
/// What is read of such a record.
const OF_SCHEDULER: &[Want] = &[("cron_jobs", ENTRIES, 0)];

/// Who has entries: a worker, or `rq-rs cron`.
pub(crate) struct Scheduler {
    pub(crate) name: String,
    pub(crate) hostname: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) config_file: String,
}

/// An entry in a scheduler's record: RQ's fields, and ours behind them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Noted {
    func_name: String,
    #[serde(default)]
    name: String,
    queue_name: String,
    /// JSON in JSON.
    args: Option<String>,
    kwargs: Option<String>,
    interval: Option<i64>,
    cron: Option<String>,
    latest_enqueue_time: Option<String>,
    next_enqueue_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_timeout: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_ttl: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_ttl: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rq_rs: Option<Ours>,
}

/// What RQ does not have.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ours {
    tz: String,
    /// The name of the zone that `local` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    catchup: String,
    overlap: String,
    jitter: f64,
    retry: Option<Policy>,
    /// How often it is repeated, and after which seconds.
    repeat: Option<(u32, Vec<u64>)>,
    description: Option<String>,
    at_front: bool,
}

impl Ours {
    /// What RQ's fields do not say of a job.
    fn dress(&self, mut job: NewJob) -> NewJob {
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
struct Policy {
    max: u32,
    intervals: Vec<u64>,
    at_front: bool,
}

impl Noted {
    fn of(entry: &Entry) -> Self {
        let (cron, interval) = (&entry.cron, entry.schedule.interval());
        let view = cron.job.view();
        let time = |moment: Option<i64>| moment.and_then(|at| DateTime::from_timestamp(at, 0)).map(iso);
        let retry = view.retry.map(|retry| Policy {
            max: retry.max(),
            intervals: retry.intervals_in(entry.is_rq(), || 0.5),
            at_front: retry.is_at_front(),
        });
        Noted {
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
            rq_rs: Some(Ours {
                tz: entry.schedule.zone().to_owned(),
                zone: entry
                    .schedule
                    .known_zone()
                    .filter(|_| entry.schedule.zone() == LOCAL)
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

    fn args(&self) -> Vec<Value> {
        self.args.as_deref().and_then(|text| read_json(text.as_bytes()).ok()).unwrap_or_default()
    }

    fn kwargs(&self) -> Map<String, Value> {
        self.kwargs.as_deref().and_then(|text| read_json(text.as_bytes()).ok()).unwrap_or_default()
    }

    fn schedule(&self) -> String {
        match (&self.cron, self.interval) {
            (Some(cron), _) => cron.clone(),
            (None, seconds) => format!("every {}s", seconds.unwrap_or_default()),
        }
    }

    /// The entry that was noted, as far as it can be read.
    fn cron(&self) -> Cron {
        let arguments = Arguments::of_texts(self.args.as_deref(), self.kwargs.as_deref());
        let mut job = NewJob::exactly(self.func_name.clone(), arguments);
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
        if let Some(ours) = &self.rq_rs {
            job = ours.dress(job);
        }
        Cron::new(self.name(), self.schedule(), job).queue(&self.queue_name)
    }

    /// RQ names an entry after its function when it has no name.
    fn name(&self) -> &str {
        if self.name.is_empty() { &self.func_name } else { &self.name }
    }
}

/// The zone of whichever machine keeps the entry.
const LOCAL: &str = "local";

/// An entry, as people see it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) schedule: String,
    pub(crate) tz: Option<String>,
    /// Where that is `local`: the zone of the machine that keeps it, as far as it has a name.
    pub(crate) zone: Option<String>,
    pub(crate) handler: String,
    pub(crate) args: Vec<Value>,
    pub(crate) kwargs: Map<String, Value>,
    pub(crate) queue: String,
    pub(crate) catchup: Option<String>,
    pub(crate) overlap: Option<String>,
    /// When its next job is due, and when its last one was enqueued.
    pub(crate) next: Option<DateTime<Utc>>,
    pub(crate) last: Option<DateTime<Utc>>,
    pub(crate) last_job: Option<String>,
    pub(crate) paused: bool,
    /// How many workers or `cron` commands have it now.
    pub(crate) schedulers: usize,
    /// Whether it is Python's, which only Python pauses.
    pub(crate) python: bool,
    #[serde(skip)]
    noted: Noted,
}

impl Listed {
    /// It, to be enqueued now.
    ///
    /// # Errors
    /// [`Error::Invalid`] when its scheduler could not write its arguments down.
    pub(crate) fn cron(&self) -> Result<Cron> {
        let is_json = |text: &Option<String>| {
            text.as_deref().is_none_or(|text| read_json::<Value>(text.as_bytes()).is_ok())
        };
        if [&self.noted.args, &self.noted.kwargs, &self.noted.meta].into_iter().all(is_json) {
            return Ok(self.noted.cron());
        }
        let whose = if self.python { "its Python program" } else { "its own program" };
        Err(Error::invalid(
            format!("the arguments of cron entry {:?} are known to {whose} only", self.name),
            "enqueue the job from there",
        ))
    }

    fn new(noted: Noted) -> Self {
        let time = |text: &Option<String>| text.as_deref().and_then(from_iso);
        let ours = noted.rq_rs.as_ref();
        Listed {
            name: noted.name().to_owned(),
            schedule: noted.schedule(),
            tz: ours.map(|ours| ours.tz.clone()),
            zone: ours.and_then(|ours| ours.zone.clone()),
            handler: noted.func_name.clone(),
            args: noted.args(),
            kwargs: noted.kwargs(),
            queue: noted.queue_name.clone(),
            catchup: ours.map(|ours| ours.catchup.clone()),
            overlap: ours.map(|ours| ours.overlap.clone()),
            next: time(&noted.next_enqueue_time),
            last: time(&noted.latest_enqueue_time),
            last_job: None,
            paused: false,
            schedulers: 0,
            python: ours.is_none(),
            noted,
        }
    }
}

/// Writes what Python's tools read of a scheduler, and says that it lives at this moment.
pub(crate) fn publish(store: &Store, scheduler: &Scheduler, ticker: &Ticker, now: f64) -> Result<()> {
    let noted: Vec<Noted> = ticker.entries.iter().map(Noted::of).collect();
    let key = store.keys.cron_scheduler(&scheduler.name);
    let record = Call::command("HSET")
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
        Call::command("EXPIRE").arg(&key).arg(SILENT.as_secs()),
        Call::command("ZADD").arg(store.keys.cron_schedulers()).arg(now).arg(&scheduler.name),
    ];
    store.ask_all(&calls)?.into_iter().try_for_each(|answer| answer.map(drop))
}

/// It ends. RQ leaves the record to its time to live.
pub(crate) fn withdraw(store: &Store, name: &str) -> Result<()> {
    store.ask(&Call::command("ZREM").arg(store.keys.cron_schedulers()).arg(name)).map(drop)
}

/// All entries that somebody has now, by name, and the keys that are not what they should be.
pub(crate) fn list(store: &Arc<Store>, now: f64) -> Result<(Vec<Listed>, Odd)> {
    let (schedulers, mut odd) = (store.keys.cron_schedulers(), Odd::default());
    let newest = Call::command("ZREVRANGEBYSCORE")
        .arg(&schedulers)
        .arg("+inf")
        .arg(now - SILENT.as_secs_f64())
        .arg("LIMIT")
        .arg(0)
        .arg(SCHEDULERS);
    let names = odd.pass(&schedulers, store.ask(&newest).and_then(reply::texts))?;
    let (mut found, mut room) = (BTreeMap::new(), ALL_ENTRIES);
    for names in names.chunks(TOGETHER) {
        let keys: Vec<String> = names.iter().map(|name| store.keys.cron_scheduler(name)).collect();
        let records = peek::ends(store, keys.iter().map(|key| (key.clone(), None)), OF_SCHEDULER)?;
        for (key, record) in keys.iter().zip(records) {
            let Some(record) = odd.pass(key, record)? else { continue };
            let Some(text) = record.get(OF_SCHEDULER[0].0) else { continue };
            match text.is_whole.then(|| room.checked_sub(text.head.len())).flatten() {
                Some(left) => room = left,
                None => {
                    odd.add(key);
                    continue;
                }
            }
            // What cannot be read is of another program, or of a newer one; the rest is shown all the same.
            let noted = read_json::<Vec<Value>>(&text.head).unwrap_or_default().into_iter();
            for noted in noted.filter_map(|noted| serde_json::from_value::<Noted>(noted).ok()) {
                let listed = Listed::new(noted);
                found.entry(listed.name.clone()).or_insert(listed).schedulers += 1;
            }
        }
    }
    let mut all: Vec<Listed> = found.into_values().collect();
    read_entries(store, &mut all, &mut odd)?;
    Ok((all, odd))
}

/// What Redis knows better than any one scheduler.
fn read_entries(store: &Arc<Store>, all: &mut [Listed], odd: &mut Odd) -> Result<()> {
    let jobs = store.keys.cron_jobs();
    let entry = |listed: &Listed| {
        Call::command("HMGET").arg(store.keys.cron_entry(&listed.name)).arg("last").arg("job").arg("paused")
    };
    let enqueued = |listed: &Listed| Call::command("ZSCORE").arg(&jobs).arg(&listed.name);
    let calls = all.iter().flat_map(|listed| [entry(listed), enqueued(listed)]).collect::<Vec<_>>();
    let mut answers = store.ask_all(&calls)?.into_iter();
    for listed in all {
        let (answer, at) =
            (answers.next().unwrap_or(Ok(Reply::Nil)), answers.next().unwrap_or(Ok(Reply::Nil)));
        let at = odd.pass(&jobs, at.and_then(reply::text))?.and_then(|at| at.parse::<f64>().ok());
        listed.last = at.and_then(|at| DateTime::from_timestamp_millis((at * 1000.0) as i64));
        let key = store.keys.cron_entry(&listed.name);
        let mut held = odd.pass(&key, answer.and_then(reply::list))?.into_iter();
        let mut text = || reply::text(held.next().unwrap_or(Reply::Nil));
        let last = text()?.and_then(|last| last.parse().ok());
        (listed.last_job, listed.paused) = (text()?, text()?.is_some());
        let Some(last) = last.filter(|_| !listed.python) else { continue };
        // Whoever reads this may be in another zone than whoever keeps the entry.
        let named = listed.zone.as_deref().or(listed.tz.as_deref().filter(|tz| *tz != LOCAL));
        let zone = if listed.noted.interval.is_some() { Some("UTC") } else { named };
        let schedule = zone.and_then(|zone| Schedule::parse(&listed.schedule, Some(zone)).ok());
        let next = schedule.and_then(|schedule| schedule.after(last));
        listed.next = next.and_then(|next| DateTime::from_timestamp(next, 0)).max(listed.next);
    }
    Ok(())
}

/// The one of this name.
pub(crate) fn find(store: &Arc<Store>, name: &str, now: f64) -> Result<Listed> {
    let (all, _) = list(store, now)?;
    let names: Vec<&str> = all.iter().map(|listed| listed.name.as_str()).collect();
    let hint = match names.as_slice() {
        [] => "no worker has entries now; start one that has it".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    let unknown = || Error::invalid(format!("there is no cron entry {name:?}"), hint);
    all.iter().find(|listed| listed.name == name).cloned().ok_or_else(unknown)
}

/// How many jobs of an entry are remembered.
pub(crate) fn history_count(store: &Store, name: &str, odd: &mut Odd) -> Result<usize> {
    let key = store.keys.cron_jobs_of(name);
    let count = store.ask(&Call::command("ZCARD").arg(&key)).and_then(|count| reply::int(&count));
    Ok(usize::try_from(odd.pass(&key, count)?).unwrap_or(0))
}

/// The ids of an entry's jobs, the newest first, and when they were enqueued.
pub(crate) fn history(
    store: &Store,
    name: &str,
    limit: usize,
    odd: &mut Odd,
) -> Result<Vec<(String, DateTime<Utc>)>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let key = store.keys.cron_jobs_of(name);
    let call = Call::command("ZREVRANGE").arg(&key).arg(0).arg(limit - 1).arg("WITHSCORES");
    let texts = odd.pass(&key, store.ask(&call).and_then(reply::texts))?;
    let entry = |pair: &[String]| {
        let millis = pair[1].parse::<f64>().unwrap_or_default() * 1000.0;
        (pair[0].clone(), DateTime::from_timestamp_millis(millis as i64).unwrap_or_default())
    };
    Ok(texts.chunks_exact(2).map(entry).collect())
}
