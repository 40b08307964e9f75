//! `Job`: a job in Redis, what was read of it and what can be done with it.

mod actions;
mod fetch;
mod requeue;
mod wait;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};

pub(crate) use self::actions::delete;
#[cfg(test)]
pub(crate) use self::actions::encode_cancel;
use crate::client::{Client, RedisCommand, reply};
use crate::error::{Error, Result};
use crate::job::{Record, Status};

/// Limit of the length of a queue that is searched for one id, so that a script never occupies the server for long.
/// The id of a canceled or deleted job stays in a longer queue; the worker that takes it drops it.
const MAX_SEARCHED_QUEUE: usize = 100_000;

/// A job in Redis.
///
/// A `Job` holds what was read when it was fetched; [`refresh`](Self::refresh) reads again. It dereferences to
/// [`Record`], so that the fields of the record are its own: `job.status`, `job.origin`, …
#[derive(Clone)]
pub struct Job {
    client: Arc<Client>,
    record: Record,
    /// Id of the newest entry in the job's results stream; `0-0` if there is none.
    last_entry: String,
    /// `true` if only the fields that actions need were read.
    is_partial: bool,
}

impl Job {
    pub(crate) fn new(client: &Arc<Client>, record: Record) -> Self {
        Job { client: Arc::clone(client), record, last_entry: "0-0".to_owned(), is_partial: false }
    }

    /// Returns the id of the job.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    pub(crate) fn into_record(self) -> Record {
        self.record
    }

    /// Reads the job again.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the job has expired or was deleted; [`Error::Unreachable`], [`Error::Refused`].
    pub fn refresh(&mut self) -> Result<()> {
        *self = match self.is_partial {
            true => Self::fetch_partial(&self.client, self.id())?,
            false => Self::fetch(&self.client, self.id())?,
        };
        Ok(())
    }

    /// Fetches the time at which a scheduled job goes to its queue: one that was enqueued for later, or that waits
    /// for its next retry. `None` for a job in any other status.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn due(&self) -> Result<Option<DateTime<Utc>>> {
        if self.status != Status::Scheduled {
            return Ok(None);
        }
        let scheduled = self.client.keys.queue(&self.origin).scheduled;
        let score = self.client.call(&RedisCommand::new("ZSCORE").arg(scheduled).arg(self.id()))?;
        let seconds = reply::text(score)?.and_then(|score| score.parse::<f64>().ok());
        Ok(seconds.and_then(|seconds| DateTime::from_timestamp_millis((seconds * 1000.0) as i64)))
    }

    fn wrong_state(&self, verb: &'static str, status: &str) -> Error {
        Error::WrongState { id: self.id().to_owned(), verb, status: status.to_owned() }
    }
}

impl Deref for Job {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}
