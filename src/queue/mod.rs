//! `Queue`: a queue by name, and what a producer does with it.

mod control;
mod empty;
mod enqueue;
#[cfg(feature = "cli")]
mod names;

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "cli")]
pub(crate) use self::names::{all_queue_names, check_existing_or_valid};
use crate::client::{Client, RedisCommand, reply};
use crate::dialect::{Dialect, QueueKeys};
use crate::error::{Error, Result};
use crate::job::{PayloadFormat, Serializer, check_queue_name};
use crate::job_handle::Job;
use crate::redis::Timeouts;
use crate::registry::Registry;

const DEFAULT_MAX_PAYLOAD: usize = 1024 * 1024;

/// A queue in Redis, by name: a list of jobs that wait for a worker, and registries of jobs in other states.
///
/// A `Queue` is cheap to clone and may be used by many threads at once; they share a pool of connections.
/// Settings ([`dialect`](Self::dialect), [`prefix`](Self::prefix), [`serializer`](Self::serializer), …) return
/// the changed queue and belong right after [`connect`](Self::connect).
#[derive(Clone)]
pub struct Queue {
    client: Arc<Client>,
    name: String,
    keys: QueueKeys,
    format: PayloadFormat,
    max_payload: usize,
}

impl Queue {
    /// Connects to the Redis server at `url` (`redis://[user:password@]host[:port][/db]` or `unix:///path`) and
    /// returns the queue `name`, which need not exist.
    ///
    /// The environment variables `RQ_RS_DIALECT` and `RQ_KEY_PREFIX` set the defaults of
    /// [`dialect`](Self::dialect) and [`prefix`](Self::prefix).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a URL, name or environment variable that is not valid; [`Error::Unreachable`],
    /// [`Error::Denied`].
    pub fn connect(url: &str, name: &str) -> Result<Self> {
        check_queue_name(name)?;
        Self::with_client(&Client::connect(url)?, name)
    }

    /// Sets the dialect: keys and formats in Redis. All programs on the same queue need the same one. Default:
    /// [`Dialect::Native`], or what `RQ_RS_DIALECT` says.
    pub fn dialect(self, dialect: Dialect) -> Self {
        let client = self.client.with_dialect(dialect);
        let (keys, format) = (client.keys.queue(&self.name), client.dialect.payload_format);
        Queue { client, keys, format, ..self }
    }

    /// Sets the format of arguments and meta in new jobs. Call it after [`dialect`](Self::dialect), which resets
    /// it. Default: JSON in the dialect native, pickle in the dialect rq.
    ///
    /// # Errors
    /// [`Error::Invalid`] for pickle in the dialect native.
    pub fn serializer(mut self, serializer: Serializer) -> Result<Self> {
        let default = self.client.dialect.payload_format.serializer;
        if serializer == Serializer::Pickle && default == Serializer::Json {
            return Err(Error::invalid(
                format!("pickle is not for the dialect {}", self.client.dialect.name),
                "leave it out, or choose the dialect rq",
            ));
        }
        self.format.serializer = serializer;
        Ok(self)
    }

    /// Sets the key prefix: the first part of every key, which separates deployments on one server. 1 to 100
    /// characters of `A-Z a-z 0-9 _ . : { } -`. Default: `rq-rs` in the dialect native, `rq` in the dialect rq, or
    /// what `RQ_KEY_PREFIX` says.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a prefix that is not valid.
    pub fn prefix(self, prefix: &str) -> Result<Self> {
        let client = self.client.with_prefix(prefix)?;
        let keys = client.keys.queue(&self.name);
        Ok(Queue { client, keys, ..self })
    }

    /// Returns a queue whose name must be valid, because jobs may be enqueued to it.
    pub(crate) fn with_client(client: &Arc<Client>, name: &str) -> Result<Self> {
        check_queue_name(name)?;
        Ok(Self::with_any_name(client, name))
    }

    /// Returns a queue whose name was checked or comes from Redis: names that Python chose may hold any character.
    pub(crate) fn with_any_name(client: &Arc<Client>, name: &str) -> Self {
        Queue {
            client: Arc::clone(client),
            name: name.to_owned(),
            keys: client.keys.queue(name),
            format: client.dialect.payload_format,
            max_payload: DEFAULT_MAX_PAYLOAD,
        }
    }

    /// Returns another queue of the same deployment, with the same settings and connections.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is not valid.
    pub fn sibling(&self, name: &str) -> Result<Self> {
        check_queue_name(name)?;
        Ok(Queue { name: name.to_owned(), keys: self.client.keys.queue(name), ..self.clone() })
    }

    /// Sets the time limit of each call of this queue and of the jobs that it returns, all attempts included. A
    /// call that takes longer fails with [`Error::Unreachable`]. From 10 ms to an hour; default: 10 s, which is
    /// also the limit of [`connect`](Self::connect).
    ///
    /// A reply may take half of the limit, so that a second attempt fits in. Two things are not limited: the
    /// resolution of a host name, which is up to the system, and a reply that arrives byte by byte, because the
    /// limit applies to the next byte.
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

    /// Sets the limit of a job's payload (handler name and arguments), in bytes. Default: 1 MiB.
    ///
    /// Independent of this limit a payload of more than 16 MiB, of more than a million parts or nested deeper
    /// than 200 levels is refused, because no worker would read it.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Returns the name of the queue.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fetches the job with this id, whichever queue it is in.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none; [`Error::Unreachable`], [`Error::Refused`].
    pub fn job(&self, id: &str) -> Result<Job> {
        Job::fetch(&self.client, id)
    }

    /// Fetches the number of waiting jobs. RQ's `Queue.count`.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn count(&self) -> Result<usize> {
        let count = self.client.call(&RedisCommand::new("LLEN").arg(&self.keys.list))?;
        Ok(usize::try_from(reply::int(&count)?).unwrap_or(0))
    }

    /// Fetches a page of the ids of waiting jobs, in the order in which workers will take them.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn ids(&self, offset: usize, limit: usize) -> Result<Vec<String>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (first, last, is_reversed) = self.client.dialect.list_range(offset, limit);
        let range = RedisCommand::new("LRANGE").arg(&self.keys.list).arg(first).arg(last);
        let mut ids = reply::texts(self.client.call(&range)?)?;
        if is_reversed {
            ids.reverse();
        }
        Ok(ids)
    }

    /// Returns the registry of jobs that failed or were stopped. RQ's `failed_job_registry`.
    pub fn failed(&self) -> Registry {
        self.registry(&self.keys.failed)
    }

    /// Returns the registry of jobs that finished and whose result is still kept. RQ's `finished_job_registry`.
    pub fn finished(&self) -> Registry {
        self.registry(&self.keys.finished)
    }

    /// Returns the registry of running jobs. Its ids are `<job>:<execution>`. RQ's `started_job_registry`.
    pub fn started(&self) -> Registry {
        self.registry(&self.keys.wip)
    }

    /// Returns the registry of jobs that wait for a time: enqueued for later, or for their next retry. RQ's
    /// `scheduled_job_registry`.
    pub fn scheduled(&self) -> Registry {
        self.registry(&self.keys.scheduled)
    }

    /// Returns the registry of jobs that wait for other jobs. RQ's `deferred_job_registry`.
    pub fn deferred(&self) -> Registry {
        self.registry(&self.keys.deferred)
    }

    /// Returns the registry of canceled jobs. RQ's `canceled_job_registry`.
    pub fn canceled(&self) -> Registry {
        self.registry(&self.keys.canceled)
    }

    /// Returns the registry of ids whose record could not be read; workers move them there. RQ has no such
    /// registry.
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
