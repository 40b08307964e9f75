//! A queue: the producer's side. One script stores a job and pushes its id.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use serde::Serialize;

use crate::client::scripts::EMPTY;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::dialect::{Dialect, QueueKeys};
use crate::enqueue::{Bulk, EncodedJob, decode_reply, encode};
use crate::error::{Error, Result};
use crate::job::{NewJob, PayloadFormat, Serializer, check_queue_name, iso};
use crate::job_handle::Job;
use crate::redis::Timeouts;
use crate::registry::Registry;
#[cfg(feature = "cron")]
use crate::wrong_type::WrongTypeKeys;

/// The largest payload (arguments and handler name as JSON) that is enqueued, unless
/// [`Queue::max_payload`] says otherwise: 1 MiB.
const MAX_PAYLOAD: usize = 1024 * 1024;
/// One script call stores at most this many jobs, or this many bytes of them.
const CHUNK_JOBS: usize = 250;
const CHUNK_BYTES: usize = 1024 * 1024;
/// How many ids one script call takes out of a queue that is emptied.
const EMPTY_BATCH: usize = 500;

/// A queue in Redis. Cheap to clone; may be used by many threads at once.
#[derive(Clone)]
pub struct Queue {
    client: Arc<Client>,
    name: String,
    keys: QueueKeys,
    format: PayloadFormat,
    max_payload: usize,
}

impl Queue {
    /// Connects to `redis://[user:password@]host[:port][/db]` or `unix:///path`. The environment
    /// variables `RQ_RS_DIALECT` and `RQ_KEY_PREFIX` say what [`dialect`](Self::dialect) and
    /// [`prefix`](Self::prefix) would.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad URL or name, [`Error::Unreachable`], [`Error::Denied`].
    pub fn connect(url: &str, name: &str) -> Result<Self> {
        check_queue_name(name)?;
        Self::with_client(&Client::connect(url)?, name)
    }

    /// The same queue name in another dialect. Default: [`Dialect::Native`].
    pub fn dialect(self, dialect: Dialect) -> Self {
        let client = self.client.with_dialect(dialect);
        let (keys, format) = (client.keys.queue(&self.name), client.dialect.payload_format);
        Queue { client, keys, format, ..self }
    }

    /// How arguments and meta of new jobs are written. Default: what the dialect's other programs
    /// expect, pickle for Python's and JSON for our own. Call it after [`dialect`](Self::dialect).
    ///
    /// # Errors
    /// [`Error::Invalid`] for pickle in our own dialect.
    pub fn serializer(mut self, serializer: Serializer) -> Result<Self> {
        if serializer == Serializer::Pickle
            && self.client.dialect.payload_format.serializer == Serializer::Json
        {
            return Err(Error::invalid(
                format!("pickle is not for the dialect {}", self.client.dialect.name),
                "leave it out, or choose the dialect rq",
            ));
        }
        self.format.serializer = serializer;
        Ok(self)
    }

    /// The same queue name under another key prefix (default `rq-rs`, or `rq` in Python's dialect;
    /// 1 to 100 of `A-Z a-z 0-9 _ . : { } -`). Every key of a deployment begins with it.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn prefix(self, prefix: &str) -> Result<Self> {
        let client = self.client.with_prefix(prefix)?;
        let keys = client.keys.queue(&self.name);
        Ok(Queue { client, keys, ..self })
    }

    /// One that may be new.
    pub(crate) fn with_client(client: &Arc<Client>, name: &str) -> Result<Self> {
        check_queue_name(name)?;
        Ok(Self::with_any_name(client, name))
    }

    /// One whose name is in order, or in Redis: Python's names may hold anything.
    pub(crate) fn with_any_name(client: &Arc<Client>, name: &str) -> Self {
        Queue {
            client: Arc::clone(client),
            name: name.to_owned(),
            keys: client.keys.queue(name),
            format: client.dialect.payload_format,
            max_payload: MAX_PAYLOAD,
        }
    }

    /// Another queue of the same deployment, on the same connections.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad name.
    pub fn sibling(&self, name: &str) -> Result<Self> {
        check_queue_name(name)?;
        Ok(Queue { name: name.to_owned(), keys: self.client.keys.queue(name), ..self.clone() })
    }

    /// How long any call of this queue, and of the jobs that it returns, may take, all tries included; it then
    /// ends with [`Error::Unreachable`]. Half of it is the limit for one answer, so that a second try fits in.
    /// Resolving a host name is up to the system and is not limited; an answer that comes byte by byte may take
    /// longer, because the limit is for the next byte. From 10 ms to an hour; default: 10 s, which
    /// is also the limit of [`connect`](Self::connect).
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// let queue = rq_rs::Queue::connect("redis://127.0.0.1/", "mail")?.call_timeout(Duration::from_secs(2));
    /// # Ok::<_, rq_rs::Error>(())
    /// ```
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.client = self.client.with_timeouts(Timeouts::within(limit));
        self
    }

    /// Refuses payloads of more than this many bytes. Default: 1 MiB; more than 16 MiB are refused whatever it is,
    /// and so are a million parts or a depth of 200, because no worker would read them.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Enqueues a call of `handler`. See [`NewJob::new`] for how `args` are passed.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::TooLarge`], [`Error::Unreachable`], [`Error::Refused`].
    /// After an error nothing was stored; only when the connection broke in each of three tries
    /// it may have been.
    pub fn enqueue(&self, handler: &str, args: impl Serialize) -> Result<Job> {
        self.enqueue_job(NewJob::new(handler, args))
    }

    /// Enqueues a job with options.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue), and [`Error::Duplicate`] when its chosen id exists.
    pub fn enqueue_job(&self, job: NewJob) -> Result<Job> {
        let stored = self.prepare(&job)?;
        let answer = self.client.query(&encode(&self.client, &self.keys, std::slice::from_ref(&stored)))?;
        if decode_reply(answer)? != [true] {
            return Err(Error::Duplicate { id: stored.id });
        }
        Ok(Job::new(&self.client, stored.into_record()))
    }

    /// Enqueues many jobs, a few hundred in each round trip, in order.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue). Jobs that were sent before stay enqueued.
    pub fn enqueue_many(&self, jobs: impl IntoIterator<Item = NewJob>) -> Result<Bulk> {
        let mut bulk = Bulk::default();
        let mut pipeline = self.client.pipeline();
        let mut ids: VecDeque<Vec<String>> = VecDeque::new();
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let chunk = match self.chunk(&mut jobs) {
                Ok(chunk) => chunk,
                Err(error) => {
                    // What was sent before is stored.
                    bulk.record_reply(ids.pop_front(), pipeline.reply())?;
                    return Err(error);
                }
            };
            pipeline.send(encode(&self.client, &self.keys, &chunk));
            ids.push_back(chunk.into_iter().map(|job| job.id).collect());
            // Redis stores a chunk while the next one is made. The first one shows whether it knows the script:
            // a chunk that must be sent again must not come behind the next.
            if ids.len() > 1 || bulk.is_empty() {
                bulk.record_reply(ids.pop_front(), pipeline.reply())?;
            }
        }
        bulk.record_reply(ids.pop_front(), pipeline.reply())?;
        Ok(bulk)
    }

    /// The next jobs, as many as one call stores.
    fn chunk(&self, jobs: &mut impl Iterator<Item = NewJob>) -> Result<Vec<EncodedJob>> {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while chunk.len() < CHUNK_JOBS
            && bytes < CHUNK_BYTES
            && let Some(job) = jobs.next()
        {
            let job = self.prepare(&job)?;
            bytes += job.encoded_len();
            chunk.push(job);
        }
        Ok(chunk)
    }

    pub(crate) fn prepare(&self, job: &NewJob) -> Result<EncodedJob> {
        let id = match job.chosen_id() {
            Some(id) => id.to_owned(),
            None => uuid::Uuid::new_v4().to_string(),
        };
        let written = job.encode(&self.name, self.format, Utc::now(), fastrand::f64)?;
        let size = written.size;
        if size > self.max_payload {
            return Err(Error::TooLarge {
                what: format!("the payload of {}", job.handler()),
                size,
                limit: self.max_payload,
            });
        }
        let (at_front, due, ttl) = (job.is_at_front(), job.due(), job.expires());
        Ok(EncodedJob { id, at_front, due, ttl, fields: written.fields })
    }

    /// The job with this id, whichever queue it is in.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn job(&self, id: &str) -> Result<Job> {
        Job::fetch(&self.client, id)
    }

    /// How many jobs wait.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn count(&self) -> Result<usize> {
        let count = self.client.query(&RedisCommand::new("LLEN").arg(&self.keys.list))?;
        Ok(usize::try_from(reply::int(&count)?).unwrap_or(0))
    }

    /// A page of the ids that wait, the next one first.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn ids(&self, offset: usize, limit: usize) -> Result<Vec<String>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (first, last, reversed) = self.client.dialect.list_range(offset, limit);
        let call = RedisCommand::new("LRANGE").arg(&self.keys.list).arg(first).arg(last);
        let mut ids = reply::texts(self.client.query(&call)?)?;
        if reversed {
            ids.reverse();
        }
        Ok(ids)
    }

    /// Removes all jobs that wait, in batches, and returns how many. Jobs that run are left alone,
    /// and so are jobs that are enqueued meanwhile.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn empty(&self) -> Result<usize> {
        self.empty_with_progress(|_| {})
    }

    /// The same; `progress` is told after each batch how many ids have been taken so far.
    pub(crate) fn empty_with_progress(&self, mut progress: impl FnMut(usize)) -> Result<usize> {
        let mut left = self.count()?;
        let (mut taken, mut removed) = (0, 0);
        while left > 0 {
            let batch = left.min(EMPTY_BATCH);
            let call = RedisCommand::evalsha(&EMPTY, &[&self.keys.list])
                .arg(self.client.dialect.pop)
                .arg(self.client.keys.job_prefix())
                .arg(batch)
                .arg(self.client.rq.key_patterns())
                .arg(iso(Utc::now()));
            // Not to be repeated: it would take jobs that were enqueued meanwhile.
            let mut answers = self.client.pipeline_once(&[call])?;
            let counts = reply::list(answers.pop().unwrap_or(Ok(Reply::Nil))?)?;
            let count = |n: usize| counts.get(n).map_or(Ok(0), reply::int).map(|n| n as usize);
            if count(0)? == 0 {
                break;
            }
            taken += count(0)?;
            removed += count(1)?;
            left -= batch;
            progress(taken);
        }
        Ok(removed)
    }

    /// Empties the queue and forgets its name. Its registries stay.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn delete(&self) -> Result<usize> {
        let removed = self.empty()?;
        let forget = RedisCommand::new("SREM").arg(self.client.keys.queues()).arg(&self.keys.list);
        self.client.query(&forget)?;
        Ok(removed)
    }

    /// Jobs that failed or were stopped.
    pub fn failed(&self) -> Registry {
        self.registry(&self.keys.failed)
    }

    /// Jobs that finished and are still kept.
    pub fn finished(&self) -> Registry {
        self.registry(&self.keys.finished)
    }

    /// Jobs that run. Its ids are `<job>:<execution>`, as in RQ.
    pub fn started(&self) -> Registry {
        self.registry(&self.keys.wip)
    }

    /// Jobs that wait for their time.
    pub fn scheduled(&self) -> Registry {
        self.registry(&self.keys.scheduled)
    }

    /// Jobs that wait for other jobs.
    pub fn deferred(&self) -> Registry {
        self.registry(&self.keys.deferred)
    }

    /// Jobs that were canceled.
    pub fn canceled(&self) -> Registry {
        self.registry(&self.keys.canceled)
    }

    /// Ids that were set aside because their record could not be read.
    pub fn unreadable(&self) -> Registry {
        self.registry(&self.keys.unreadable)
    }

    fn registry(&self, key: &str) -> Registry {
        Registry::new(&self.client, &self.keys, key)
    }

    pub(crate) fn keys(&self) -> &QueueKeys {
        &self.keys
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }
}

/// Refuses a name that is neither in order nor that of a queue that is there.
#[cfg(feature = "cli")]
pub(crate) fn check_existing_or_valid(client: &Client, name: &str) -> Result<()> {
    check_queue_name(name).or_else(|error| {
        let key = client.keys.queue(name).list;
        let known = client.query(&RedisCommand::new("SISMEMBER").arg(client.keys.queues()).arg(key))?;
        if reply::int(&known)? == 1 { Ok(()) } else { Err(error) }
    })
}

/// The names of all queues that jobs were ever enqueued to, sorted.
#[cfg(feature = "cli")]
pub(crate) fn all_queue_names(client: &Client, wrong_keys: &mut WrongTypeKeys) -> Result<Vec<String>> {
    let set = client.keys.queues();
    let keys = wrong_keys
        .tolerate(&set, client.query(&RedisCommand::new("SMEMBERS").arg(&set)).and_then(reply::texts))?;
    let mut names: Vec<String> =
        keys.iter().filter_map(|key| client.keys.queue_name(key)).map(str::to_owned).collect();
    names.sort_unstable();
    Ok(names)
}
