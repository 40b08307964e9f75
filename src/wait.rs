//! Waiting for a job's end. In Python's dialect the stream of results says so; else the waiter leaves a note in the job and listens on a channel of its
//! own; the script that ends the job sees the note and publishes. No polling; every five seconds
//! one look, in case the message was lost with a connection.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::client::scripts::MARK_WAITER;
use crate::client::{RedisCommand, reply};
use crate::error::{Error, Result};
use crate::job::Status;
use crate::job_handle::Job;

const POLL_INTERVAL: Duration = Duration::from_secs(5);

impl Job {
    /// Waits until the job has ended, and returns what its handler returned.
    ///
    /// # Errors
    /// [`Error::JobFailed`] when it failed, was stopped or canceled; [`Error::NotYet`] when the time
    /// is over (the job goes on); [`Error::NotFound`] when its record is gone, which is what
    /// `result_ttl` zero means; [`Error::Invalid`] when the result is not a `T`.
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

    /// Listens for the end of the job, at most `wait`.
    fn wait_for_end(&self, wait: Duration) -> Result<()> {
        let client = self.client();
        if let Some(stream) = client.rq.results_stream(self.id()) {
            // Whoever ends the job adds to its results, a Python worker too.
            let call = RedisCommand::new("XREAD").arg("BLOCK").arg(wait.as_millis().max(1) as u64);
            let call = call.arg("STREAMS").arg(stream).arg(&self.last_entry);
            return client.dedicated(wait)?.query(&call).map(drop);
        }
        let channel = format!("{}{}", client.keys.ended_prefix(), self.id());
        let note = RedisCommand::evalsha(&MARK_WAITER, &[&client.keys.job(self.id())]);
        client.dedicated(wait)?.wait_for_message(&channel, wait, || {
            let status = reply::text(client.query(&note)?)?;
            Ok(status.and_then(|word| word.parse::<Status>().ok()).is_some_and(|status| !status.has_ended()))
        })
    }

    /// What the handler of a finished job returned, as a value of your own type.
    ///
    /// # Errors
    /// [`Error::JobFailed`], [`Error::NotYet`] when it has not ended, [`Error::Invalid`] when the
    /// result is not a `T`.
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
