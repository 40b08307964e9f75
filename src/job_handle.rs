//! A job in Redis: what was read of it, and what can be done with it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

#[cfg(feature = "cron")]
use crate::bounded_read;
use crate::client::scripts::{CANCEL, DELETE, REQUEUE_ORPHAN_JOB, SET_FIELD};
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::{Error, Result};
#[cfg(feature = "cron")]
use crate::job::ExcerptSpec;
use crate::job::{RawHash, ReadMode, Record, Status, check_id, from_iso, iso, to_python};
use crate::registry::{Registry, Requeued};
use crate::worker_command::WorkerCommand;

/// A queue longer than this is not searched for the id of a canceled or deleted job, which would
/// hold up the server; the id stays and is dropped when its turn comes.
const MAX_SEARCHED_QUEUE: usize = 100_000;

/// Statuses of jobs that are to run and may be in no place, when a key was deleted or lost.
const UNFINISHED: [Status; 6] = [
    Status::Created,
    Status::Queued,
    Status::Started,
    Status::Scheduled,
    Status::RateLimited,
    Status::ReadyToEnqueue,
];
/// Statuses of jobs that may be requeued whatever registry has lost them.
const ENDED: [Status; 3] = [Status::Failed, Status::Stopped, Status::Canceled];

/// How long a requeue waits for the next sign of life of a worker that may run the job: one that runs anything gives
/// one every two seconds.
const NEXT_HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);

/// A job. Reads are of the moment it was fetched; [`refresh`](Self::refresh) reads again.
/// All fields of [`Record`] can be read on it: `job.status`, `job.origin` …
#[derive(Clone)]
pub struct Job {
    client: Arc<Client>,
    record: Record,
    /// The newest entry of its stream of results, where there is one; `0-0` before the first.
    pub(crate) last_entry: String,
    /// Whether only that was read which is needed to do something to it.
    is_partial: bool,
}

/// What is needed to do something to a job: names, which are short.
#[cfg(feature = "cron")]
const PARTIAL_FIELDS: &[ExcerptSpec] =
    &[("status", 300, 0), ("origin", 4096, 0), ("worker_name", 4096, 0), ("execution_id", 4096, 0)];

impl Job {
    pub(crate) fn new(client: &Arc<Client>, record: Record) -> Self {
        Job { client: Arc::clone(client), record, last_entry: "0-0".to_owned(), is_partial: false }
    }

    /// One to do something to, whatever its arguments are and how large.
    #[cfg(feature = "cron")]
    pub(crate) fn fetch_partial(client: &Arc<Client>, id: &str) -> Result<Self> {
        let hash = std::iter::once((client.keys.job(id), None));
        let found = bounded_read::fetch_excerpts(client, hash, PARTIAL_FIELDS)?.pop().unwrap_or(Ok(None))?;
        let parts = found.ok_or_else(|| Error::NotFound { id: id.to_owned() })?;
        let fields = parts.0.into_iter().map(|(name, part)| (name.as_bytes().to_vec(), part.head));
        let job = Self::new(client, Record::read(id, &RawHash(fields.collect()), ReadMode::Recovery));
        Ok(Job { is_partial: true, ..job })
    }

    #[cfg(not(feature = "cron"))]
    fn find(client: &Arc<Client>, id: &str) -> Result<Self> {
        Self::fetch(client, id)
    }

    pub(crate) fn fetch(client: &Arc<Client>, id: &str) -> Result<Self> {
        Self::fetch_all(client, &[id])?.pop().unwrap_or_else(|| Err(Error::NotFound { id: id.to_owned() }))
    }

    /// Several in one round trip, whatever their ids are; each by itself may be missing or unreadable.
    pub(crate) fn fetch_all<S: AsRef<str>>(client: &Arc<Client>, ids: &[S]) -> Result<Vec<Result<Self>>> {
        let calls: Vec<RedisCommand> = ids.iter().flat_map(|id| Self::reads(client, id.as_ref())).collect();
        let mut answers = client.query_all(&calls)?.into_iter();
        let mut answer = || answers.next().unwrap_or(Ok(Reply::Nil));
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            let entry = |answer: &mut dyn FnMut() -> Result<Reply>| match client.rq.is_enabled() {
                true => answer(),
                false => Ok(Reply::Nil),
            };
            let (hash, entry) = (answer(), entry(&mut answer));
            jobs.push(Self::read(client, id.as_ref(), hash, entry));
        }
        Ok(jobs)
    }

    fn reads(client: &Client, id: &str) -> impl Iterator<Item = RedisCommand> {
        let hash = RedisCommand::new("HGETALL").arg(client.keys.job(id));
        let entry = client
            .rq
            .results_stream(id)
            .map(|stream| RedisCommand::new("XREVRANGE").arg(stream).arg("+").arg("-").arg("COUNT").arg(1));
        [hash].into_iter().chain(entry)
    }

    fn read(client: &Arc<Client>, id: &str, hash: Result<Reply>, entry: Result<Reply>) -> Result<Self> {
        let pairs = reply::pairs(hash?)?;
        if pairs.is_empty() {
            return Err(Error::NotFound { id: id.to_owned() });
        }
        let mut job = Self::new(client, Record::read(id, &RawHash(pairs), ReadMode::Full));
        if let Some((entry, fields)) = reply::first_stream_entry(entry?)? {
            job.last_entry = entry;
            // An entry of an earlier run says nothing of a job that runs again; of one that is repeated it is the
            // last word until the next one.
            if job.status.has_ended() || job.repeats_left.is_some() {
                job.record.apply_result_entry(&RawHash(fields));
            }
        }
        Ok(job)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    pub(crate) fn into_record(self) -> Record {
        self.record
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Reads it again.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it has expired or was deleted.
    pub fn refresh(&mut self) -> Result<()> {
        *self = match self.is_partial {
            true => Self::fetch_partial(&self.client, self.id())?,
            false => Self::fetch(&self.client, self.id())?,
        };
        Ok(())
    }

    /// When a job that is scheduled goes to its queue: one that was enqueued for later, or waits for its next
    /// try. `None` for any other.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn due(&self) -> Result<Option<DateTime<Utc>>> {
        if self.status != Status::Scheduled {
            return Ok(None);
        }
        let scheduled = self.client.keys.queue(&self.origin).scheduled;
        let score =
            reply::text(self.client.query(&RedisCommand::new("ZSCORE").arg(scheduled).arg(self.id()))?)?;
        let millis = score.and_then(|score| score.parse::<f64>().ok()).map(|seconds| seconds * 1000.0);
        Ok(millis.and_then(|millis| DateTime::from_timestamp_millis(millis as i64)))
    }

    /// Takes back a job that has not ended, and returns the status it had. A job that runs is told
    /// through `Context::is_canceled`, and whatever it still does changes nothing here.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it has ended, [`Error::NotFound`].
    pub fn cancel(&mut self) -> Result<Status> {
        let keys = self.client.keys.queue(&self.origin);
        let job = self.client.keys.job(self.id());
        let channel = format!("{}{}", self.client.keys.ended_prefix(), self.id());
        let places = [&job, &keys.list, &keys.intermediate, &keys.wip, &keys.scheduled, &keys.deferred];
        let places = places.into_iter().chain([&keys.ready, &keys.canceled, &channel]);
        let call = RedisCommand::evalsha(&CANCEL, &places.map(String::as_str).collect::<Vec<_>>())
            .arg(self.id())
            .arg(iso(Utc::now()))
            .arg(self.client.dialect.canceled_ttl.as_seconds())
            .arg(MAX_SEARCHED_QUEUE)
            .arg(self.client.rq.key_patterns());
        let Some(had) = reply::text(self.client.query(&call)?)? else {
            return Err(Error::NotFound { id: self.id().to_owned() });
        };
        let status: Status = had.parse().unwrap_or(Status::Created);
        if status.has_ended() {
            return Err(self.wrong_state("cancel", &had));
        }
        self.refresh()?;
        Ok(status)
    }

    /// Deletes it wherever it is, with its result. Returns whether there was anything to delete.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn delete(self) -> Result<bool> {
        delete(&self.client, self.id(), &self.origin)
    }

    /// Puts a job that failed, or was stopped or canceled, back in its queue as new: it has all retries of its
    /// policy again. So does one that has not finished and is in no place any more, because somebody has deleted
    /// a key, or Redis has lost it. While its worker may still run it, that one's next sign of life is waited for, up
    /// to three seconds.
    ///
    /// # Errors
    /// [`Error::WrongState`] for any other job: a second requeue changes nothing.
    pub fn requeue(&mut self) -> Result<()> {
        let keys = self.client.keys.queue(&self.origin);
        for registry in [&keys.failed, &keys.canceled] {
            let registry = Registry::new(&self.client, &keys, registry);
            match registry.requeue(&[self.id()])?.first() {
                Some(Requeued::Back) => return self.refresh(),
                Some(Requeued::Gone) => break,
                _ => {}
            }
        }
        self.requeue_orphan("requeue", self.client.dialect.retries_field, &[&UNFINISHED, &ENDED])
    }

    /// Puts a job that waits for its time, or for its next try, into its queue now; also one that should wait or
    /// run and is in no place any more.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it is not scheduled.
    pub fn enqueue_now(&mut self) -> Result<()> {
        let keys = self.client.keys.queue(&self.origin);
        let moved = Registry::new(&self.client, &keys, &keys.scheduled).enqueue_now(&[self.id()])?;
        match moved.first() {
            Some(Requeued::Back) => self.refresh(),
            _ => self.requeue_orphan("enqueue", "", &[&UNFINISHED]),
        }
    }

    /// Puts it back into its queue if it is in no place, and has one of these statuses; as new, if there is a field
    /// that counts retries.
    fn requeue_orphan(&mut self, verb: &'static str, counts: &str, statuses: &[&[Status]]) -> Result<()> {
        let (until, mut seen) = (Instant::now() + NEXT_HEARTBEAT_TIMEOUT, String::new());
        let answer = loop {
            let answer = self.query_requeue_orphan(counts, statuses, &seen)?;
            let Reply::Array(sign) = answer else { break reply::int(&answer)? };
            let sign = WorkerHeartbeat::read(sign)?;
            if sign.silent >= sign.lease {
                // Nobody takes it for a sign of life any more.
                seen = format!("not {}", sign.heard);
                continue;
            }
            if Instant::now() >= until {
                self.refresh()?;
                return Err(self.wrong_state(verb, &sign.refusal(self.worker_name.as_deref())));
            }
            seen = sign.heard;
            std::thread::sleep(Duration::from_millis(100));
        };
        self.refresh()?;
        match answer {
            1 => Ok(()),
            3 => {
                let status = self.status.as_str();
                let why = format!(
                    "{status}, and its queue is too long to be searched for it (over {MAX_SEARCHED_QUEUE})"
                );
                Err(self.wrong_state(verb, &why))
            }
            _ => Err(self.wrong_state(verb, self.status.as_str())),
        }
    }

    fn query_requeue_orphan(&self, counts: &str, statuses: &[&[Status]], seen: &str) -> Result<Reply> {
        let keys = self.client.keys.queue(&self.origin);
        let (job, queues) = (self.client.keys.job(self.id()), self.client.keys.queues());
        let here = [&job, &keys.list, &keys.intermediate, &keys.wip, &queues];
        let elsewhere = [&keys.scheduled, &keys.deferred, &keys.ready, &keys.finished, &keys.failed];
        let places = here.into_iter().chain(elsewhere).chain([&keys.canceled, &keys.unreadable]);
        let statuses: Vec<&str> = statuses.iter().copied().flatten().map(|status| status.as_str()).collect();
        let call =
            RedisCommand::evalsha(&REQUEUE_ORPHAN_JOB, &places.map(String::as_str).collect::<Vec<_>>())
                .arg(self.id())
                .arg(self.client.dialect.push)
                .arg(iso(Utc::now()))
                .arg(self.client.rq.key_patterns())
                .arg(MAX_SEARCHED_QUEUE)
                .arg(counts)
                .arg(statuses.join(" "))
                .arg(self.client.keys.worker(""))
                .arg(seen);
        self.client.query(&call)
    }

    /// Tells its worker, rq-rs' or Python's, to end it while it runs. It goes to the failed registry with
    /// the status `stopped` and is not tried again; that takes a moment. A job that was canceled while a Python
    /// worker runs it may be stopped as well.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it does not run, or its worker does not listen.
    pub fn stop(&mut self) -> Result<()> {
        self.refresh()?;
        // A Python worker does not hear that its job was canceled, and can still be told to stop it.
        let may_run = match self.status {
            Status::Started => true,
            Status::Canceled => self.is_run_by_python_worker()?,
            _ => false,
        };
        let Some(worker) = self.worker_name.clone().filter(|_| may_run) else {
            return Err(self.wrong_state("stop", self.status.as_str()));
        };
        let stop = WorkerCommand::StopJob { job_id: self.id().to_owned() };
        if !stop.send(&self.client, &worker)? {
            return Err(
                self.wrong_state("stop", &format!("started, but its worker {worker} does not listen"))
            );
        }
        Ok(())
    }

    /// Whether the worker that has it, or had it last, is one of Python's that lives.
    pub(crate) fn is_run_by_python_worker(&self) -> Result<bool> {
        let Some(worker) = self.worker_name.as_deref().filter(|_| self.client.dialect.is_shared_with_python)
        else {
            return Ok(false);
        };
        let fields = RedisCommand::new("HMGET").arg(self.client.keys.worker(worker));
        let fields = self.client.query(&fields.arg("birth").arg("death").arg("runs_in"))?;
        let fields: Vec<Option<String>> =
            reply::list(fields)?.into_iter().map(reply::text).collect::<Result<_>>()?;
        Ok(matches!(fields.as_slice(), [Some(_), None, None]))
    }

    /// Replaces its meta: a struct or map.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotFound`].
    pub fn save_meta(&mut self, meta: impl Serialize) -> Result<()> {
        let wrong = |what: String| Error::invalid(what, "see NewJob::meta");
        let meta = to_python(&meta).map_err(wrong)?;
        let serde_json::Value::Object(shown) = meta.to_json() else {
            return Err(wrong("meta must be a struct or a map".to_owned()));
        };
        let text = self.serializer.write(&meta).map_err(wrong)?;
        let job = self.client.keys.job(self.id());
        let saved =
            self.client.query(&RedisCommand::evalsha(&SET_FIELD, &[&job]).arg("meta").arg(text).arg(""))?;
        if reply::int(&saved)? == 0 {
            return Err(Error::NotFound { id: self.id().to_owned() });
        }
        self.record.meta = shown;
        Ok(())
    }

    fn wrong_state(&self, verb: &'static str, status: &str) -> Error {
        Error::WrongState { id: self.id().to_owned(), verb, status: status.to_owned() }
    }
}

/// The last sign of life of a worker that may run a job whose lease is gone.
struct WorkerHeartbeat {
    heard: String,
    lease: i64,
    silent: i64,
}

impl WorkerHeartbeat {
    fn read(parts: Vec<Reply>) -> Result<Self> {
        let mut parts = reply::texts(Reply::Array(parts))?.into_iter();
        let heard = parts.next().unwrap_or_default();
        let mut number = || parts.next().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
        let (lease, now) = (number(), number());
        let silent = from_iso(&heard).map_or(i64::MAX, |heard| now - heard.timestamp());
        Ok(WorkerHeartbeat { heard, lease, silent })
    }

    fn refusal(&self, worker: Option<&str>) -> String {
        let (worker, silent, lease) = (worker.unwrap_or_default(), self.silent.max(0), self.lease);
        format!(
            "started, and its worker {worker} was heard of {silent} s ago; after {lease} s it is taken for lost"
        )
    }
}

/// Deletes a job, also one whose record is not a hash.
pub(crate) fn delete(client: &Client, id: &str, origin: &str) -> Result<bool> {
    let job = client.keys.job(id);
    if let Err(error) = check_id(id) {
        // Python's ids may hold anything, and what stands behind a colon may be part of another key's name.
        let kind = reply::text(client.query(&RedisCommand::new("TYPE").arg(&job))?)?;
        match kind.as_deref() {
            Some("hash") => {}
            Some("none") => return Ok(false),
            _ => return Err(error),
        }
    }
    let keys = client.keys.queue(origin);
    let channel = format!("{}{id}", client.keys.ended_prefix());
    let all = [
        &job,
        &keys.list,
        &keys.intermediate,
        &keys.wip,
        &keys.scheduled,
        &keys.deferred,
        &keys.ready,
        &keys.finished,
        &keys.failed,
        &keys.canceled,
        &keys.unreadable,
        &channel,
    ];
    let call = RedisCommand::evalsha(&DELETE, &all.map(String::as_str))
        .arg(id)
        .arg(MAX_SEARCHED_QUEUE)
        .arg(client.rq.key_patterns())
        .arg(iso(Utc::now()));
    Ok(reply::int(&client.query(&call)?)? == 1)
}

impl Deref for Job {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.record.fmt(f)
    }
}
