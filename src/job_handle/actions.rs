//! Actions on one job: cancel, delete, stop, save its meta.

use serde::Serialize;

use super::{Job, MAX_SEARCHED_QUEUE};
use crate::client::scripts::{AsText, Cancel, Delete, SetField};
use crate::client::{Client, RedisCommand, now, reply};
use crate::error::{Error, Result};
use crate::job::{Status, check_id, to_python};
use crate::worker_command::RemoteCommand;

impl Job {
    /// Cancels a job that has not ended, and returns the status it had. The handler of a running job sees it
    /// through `Context::is_canceled`; its result is discarded. RQ's `Job.cancel`.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the job has ended, [`Error::NotFound`] if it is gone; [`Error::Unreachable`],
    /// [`Error::Refused`].
    pub fn cancel(&mut self) -> Result<Status> {
        let call = encode_cancel(&self.client, self.id(), &self.origin, &now());
        let Some(previous) = reply::text(self.client.call(&call)?)? else {
            return Err(Error::NotFound { id: self.id().to_owned() });
        };
        let status: Status = previous.parse().unwrap_or(Status::Created);
        if status.has_ended() {
            return Err(self.wrong_state("cancel", &previous));
        }
        self.refresh()?;
        Ok(status)
    }

    /// Deletes the job in whatever state it is, with its result, and returns `true` if it existed. RQ's
    /// `Job.delete`.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn delete(self) -> Result<bool> {
        delete(&self.client, self.id(), &self.origin)
    }

    /// Tells the job's worker, rq-rs' or Python's, to end the running job. A moment later the job is in the failed
    /// registry with the status `stopped`, and is not retried. RQ's `send_stop_job_command`.
    ///
    /// A job that was canceled while a Python worker runs it can be stopped too.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the job does not run or its worker does not listen; [`Error::NotFound`],
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn stop(&mut self) -> Result<()> {
        self.refresh()?;
        // A Python worker does not notice that its job was canceled, but still obeys the command to stop it.
        let may_run = match self.status {
            Status::Started => true,
            Status::Canceled => self.is_run_by_python_worker()?,
            _ => false,
        };
        let Some(worker) = self.worker_name.clone().filter(|_| may_run) else {
            return Err(self.wrong_state("stop", self.status.as_str()));
        };
        let stop = RemoteCommand::StopJob { job_id: self.id().to_owned() };
        if !stop.send(&self.client, &worker)? {
            return Err(
                self.wrong_state("stop", &format!("started, but its worker {worker} does not listen"))
            );
        }
        Ok(())
    }

    /// Returns `true` if the worker that the record names, the current or the last one, is a live worker of
    /// Python's.
    pub(crate) fn is_run_by_python_worker(&self) -> Result<bool> {
        let worker = self.worker_name.as_deref().filter(|_| self.client.dialect.is_shared_with_python);
        let Some(worker) = worker else { return Ok(false) };
        let fields = RedisCommand::new("HMGET").arg(self.client.keys.worker(worker));
        let fields = self.client.call(&fields.arg("birth").arg("death").arg("runs_in"))?;
        let fields: Vec<Option<String>> =
            reply::list(fields)?.into_iter().map(reply::text).collect::<Result<_>>()?;
        Ok(matches!(fields.as_slice(), [Some(_), None, None]))
    }

    /// Replaces the job's meta by `meta`, which must be a struct or a map. RQ's `Job.save_meta`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that is neither or cannot be encoded, [`Error::NotFound`] if the job is gone;
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn save_meta(&mut self, meta: impl Serialize) -> Result<()> {
        let invalid = |what: String| Error::invalid(what, "see NewJob::meta");
        let meta = to_python(&meta).map_err(invalid)?;
        let serde_json::Value::Object(object) = meta.to_json() else {
            return Err(invalid("meta must be a struct or a map".to_owned()));
        };
        let encoded = self.serializer.write(&meta).map_err(invalid)?;
        let job = self.client.keys.job(self.id());
        let call =
            self.client.evalsha(&SetField { job: &job, field: "meta", value: &encoded, execution: "" });
        if reply::int(&self.client.call(&call)?)? == 0 {
            return Err(Error::NotFound { id: self.id().to_owned() });
        }
        self.record.meta = object;
        Ok(())
    }
}

/// Encodes a cancel. The call may be repeated with the same time.
pub(crate) fn encode_cancel(client: &Client, id: &str, origin: &str, ended_at: &str) -> RedisCommand {
    let keys = client.keys.queue(origin);
    let job = client.keys.job(id);
    client.evalsha(&Cancel {
        job: &job,
        list: &keys.list,
        intermediate: &keys.intermediate,
        wip: &keys.wip,
        scheduled: &keys.scheduled,
        deferred: &keys.deferred,
        ready: &keys.ready,
        canceled: &keys.canceled,
        id,
        ended_at,
        ttl: AsText(client.dialect.canceled_ttl.as_seconds()),
        max_searched: MAX_SEARCHED_QUEUE,
    })
}

/// Deletes a job, also one whose record is not a hash, and returns `true` if it existed.
pub(crate) fn delete(client: &Client, id: &str, origin: &str) -> Result<bool> {
    let job = client.keys.job(id);
    if !is_deletable(client, id, &job)? {
        return Ok(false);
    }
    let keys = client.keys.queue(origin);
    let call = client.evalsha(&Delete {
        job: &job,
        list: &keys.list,
        intermediate: &keys.intermediate,
        wip: &keys.wip,
        registries: &keys.idle_registries(),
        id,
        max_searched: MAX_SEARCHED_QUEUE,
        enqueued_at: &now(),
    });
    Ok(reply::int(&client.call(&call)?)? == 1)
}

/// Returns `true` if there may be a job to delete. Ids that Python chose may hold any character; with a colon the key
/// may be another one than a job's, so that only a hash is deleted.
fn is_deletable(client: &Client, id: &str, key: &str) -> Result<bool> {
    let Err(error) = check_id(id) else { return Ok(true) };
    let kind = reply::text(client.call(&RedisCommand::new("TYPE").arg(key))?)?;
    match kind.as_deref() {
        Some("hash") => Ok(true),
        Some("none") => Ok(false),
        _ => Err(error),
    }
}
