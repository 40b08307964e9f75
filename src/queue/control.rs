//! Control of queues and workers: suspend and resume queues, send commands to workers.

use std::time::Duration;

use super::Queue;
use crate::client::{RedisCommand, reply};
use crate::error::{Error, Result};
use crate::job::Ttl;
use crate::worker_command::RemoteCommand;

impl Queue {
    /// Suspends this queue: workers start none of its jobs until [`resume`](Self::resume). Jobs can still be
    /// enqueued, and running jobs go on. Python's workers do not know suspended queues.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn suspend(&self) -> Result<()> {
        self.update_suspended("SADD")
    }

    /// Resumes this queue after [`suspend`](Self::suspend).
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn resume(&self) -> Result<()> {
        self.update_suspended("SREM")
    }

    /// Returns `true` if this queue is suspended by [`suspend`](Self::suspend). A suspension of all queues does not
    /// count.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn is_suspended(&self) -> Result<bool> {
        let suspended = self.client.keys.suspended_queues();
        let is_member = RedisCommand::new("SISMEMBER").arg(suspended).arg(&self.keys.list);
        Ok(reply::int(&self.client.call(&is_member)?)? == 1)
    }

    fn update_suspended(&self, command: &str) -> Result<()> {
        let suspended = self.client.keys.suspended_queues();
        self.client.call(&RedisCommand::new(command).arg(suspended).arg(&self.keys.list)).map(drop)
    }

    /// Suspends all queues of this deployment: no worker, rq-rs' or Python's, starts a job until
    /// [`resume_all`](Self::resume_all), or until `duration` (rounded up to whole seconds, at least one) has
    /// passed. RQ's `suspend`.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn suspend_all(&self, duration: Option<Duration>) -> Result<()> {
        let mut set = RedisCommand::new("SET").arg(self.client.keys.suspended()).arg(1);
        if let Some(duration) = duration {
            set = set.arg("EX").arg(Ttl::from(duration).as_seconds().max(1));
        }
        self.client.call(&set).map(drop)
    }

    /// Resumes all queues after [`suspend_all`](Self::suspend_all). Queues that are suspended one by one stay
    /// suspended. RQ's `resume`.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn resume_all(&self) -> Result<()> {
        self.client.call(&RedisCommand::new("DEL").arg(self.client.keys.suspended())).map(drop)
    }

    /// Tells a worker of this deployment, rq-rs' or Python's, to start no more jobs and to end when its running
    /// jobs have ended. RQ's `send_shutdown_command`.
    ///
    /// # Errors
    /// [`Error::NoWorker`] if no worker of this name listens; [`Error::Unreachable`], [`Error::Refused`].
    pub fn shutdown_worker(&self, name: &str) -> Result<()> {
        self.send_command(&RemoteCommand::Shutdown, name)
    }

    /// Tells a worker to kill its running jobs, which then fail or are retried. RQ's `send_kill_horse_command`.
    ///
    /// # Errors
    /// [`Error::NoWorker`] if no worker of this name listens; [`Error::Unreachable`], [`Error::Refused`].
    pub fn kill_horse(&self, name: &str) -> Result<()> {
        self.send_command(&RemoteCommand::KillHorse, name)
    }

    /// Tells a worker of rq-rs to start no more jobs until [`continue_worker`](Self::continue_worker). Its running
    /// jobs go on, and the worker stays. The signal TSTP does the same. Python's workers ignore this command.
    ///
    /// # Errors
    /// [`Error::NoWorker`] if no worker of this name listens; [`Error::Unreachable`], [`Error::Refused`].
    pub fn quiet_worker(&self, name: &str) -> Result<()> {
        self.send_command(&RemoteCommand::Quiet, name)
    }

    /// Tells a worker to start jobs again after [`quiet_worker`](Self::quiet_worker). The signal CONT does the
    /// same.
    ///
    /// # Errors
    /// [`Error::NoWorker`] if no worker of this name listens; [`Error::Unreachable`], [`Error::Refused`].
    pub fn continue_worker(&self, name: &str) -> Result<()> {
        self.send_command(&RemoteCommand::Continue, name)
    }

    fn send_command(&self, command: &RemoteCommand, name: &str) -> Result<()> {
        match command.send(&self.client, name)? {
            true => Ok(()),
            false => Err(Error::NoWorker { name: name.to_owned() }),
        }
    }
}
