//! Waiting for the end of a job: the job's end wakes the waiter, and a slow poll covers lost messages.
//!
//! In the dialect rq the waiter blocks on the job's results stream. In the dialect native it marks the job and
//! subscribes to a channel of the job's; the script that ends a marked job publishes there. In both
//! dialects the waiter also reads the job every five seconds, in case the message was lost with a connection.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::Job;
use crate::client::scripts::MarkWaiter;
use crate::client::{RedisCommand, reply};
use crate::error::{Error, Result};
use crate::job::Status;

const POLL_INTERVAL: Duration = Duration::from_secs(5);

impl Job {
    /// Waits until the job has ended, and returns the return value of its handler as a `T`.
    ///
    /// # Errors
    /// - [`Error::JobFailed`] if the job failed, was stopped or was canceled.
    /// - [`Error::NotYet`] if it has not ended within `timeout`; the job goes on.
    /// - [`Error::NotFound`] if its record is gone, which happens at once with a `result_ttl` of zero.
    /// - [`Error::Invalid`] if the return value is not a `T`.
    /// - [`Error::Unreachable`], [`Error::Refused`].
    pub fn wait<T: DeserializeOwned>(&self, timeout: Duration) -> Result<T> {
        let mut job = self.clone();
        let started = Instant::now();
        job.refresh()?;
        while !job.status.has_ended() {
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(Error::NotYet { id: job.id().to_owned(), waited: timeout });
            }
            job.wait_for_end(left.min(POLL_INTERVAL))?;
            job.refresh()?;
        }
        job.returned()
    }

    /// Blocks until the job may have ended, at most for `timeout`.
    fn wait_for_end(&self, timeout: Duration) -> Result<()> {
        let client = &self.client;
        if let Some(stream) = client.rq.results_stream(self.id()) {
            // Every worker, Python's too, adds an entry when it ends a run.
            let read = RedisCommand::new("XREAD").arg("BLOCK").arg(timeout.as_millis().max(1) as u64);
            let read = read.arg("STREAMS").arg(stream).arg(&self.last_entry);
            return client.dedicated(timeout)?.call(&read).map(drop);
        }
        let channel = format!("{}{}", client.keys.ended_prefix(), self.id());
        let mark_waiter = client.evalsha(&MarkWaiter { job: &client.keys.job(self.id()) });
        client.dedicated(timeout)?.wait_for_message(&channel, timeout, || {
            let status = reply::text(client.call(&mark_waiter)?)?;
            Ok(status.and_then(|word| word.parse::<Status>().ok()).is_some_and(|status| !status.has_ended()))
        })
    }

    /// Returns the return value of a finished job's handler as a `T`, as it was when the job was fetched.
    ///
    /// # Errors
    /// [`Error::JobFailed`] if the job failed, was stopped or was canceled; [`Error::NotYet`] if it has not ended;
    /// [`Error::Invalid`] if the return value is not a `T`.
    pub fn returned<T: DeserializeOwned>(&self) -> Result<T> {
        if self.status == Status::Finished {
            let result = match &self.exact_result {
                Some(exact) => T::deserialize(exact.clone()),
                None => serde_json::from_value(self.result.clone().unwrap_or_default()),
            };
            return result.map_err(|error| {
                let what = format!("the result of job {} does not fit: {error}", self.id());
                Error::invalid(what, "ask for the type that the handler returns")
            });
        }
        if self.status.has_ended() {
            return Err(Error::JobFailed {
                id: self.id().to_owned(),
                status: self.status.to_string(),
                error: self.exc_info.clone().unwrap_or_else(|| "no reason is kept".to_owned()),
            });
        }
        Err(Error::NotYet { id: self.id().to_owned(), waited: Duration::ZERO })
    }
}
