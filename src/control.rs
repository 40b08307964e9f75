//! What people order: queues that are suspended, workers that are to end, be quiet, go on.

use std::time::Duration;

use crate::client::{RedisCommand, reply};
use crate::error::{Error, Result};
use crate::job::Ttl;
use crate::queue::Queue;
use crate::worker_command::WorkerCommand;

impl Queue {
    /// Stops workers from starting jobs of this queue, until [`resume`](Self::resume).
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn suspend(&self) -> Result<()> {
        self.switch("SADD")
    }

    /// Takes [`suspend`](Self::suspend) back.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn resume(&self) -> Result<()> {
        self.switch("SREM")
    }

    /// Whether this queue is suspended by itself.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn is_suspended(&self) -> Result<bool> {
        let call =
            RedisCommand::new("SISMEMBER").arg(self.client().keys.suspended_queues()).arg(&self.keys().list);
        Ok(reply::int(&self.client().query(&call)?)? == 1)
    }

    fn switch(&self, command: &str) -> Result<()> {
        let call =
            RedisCommand::new(command).arg(self.client().keys.suspended_queues()).arg(&self.keys().list);
        self.client().query(&call).map(drop)
    }

    /// Stops all workers of this deployment from starting jobs of any queue, for a time (whole
    /// seconds, rounded up, at least one) or until [`resume_all`](Self::resume_all). RQ's `suspend`.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn suspend_all(&self, duration: Option<Duration>) -> Result<()> {
        let mut call = RedisCommand::new("SET").arg(self.client().keys.suspended()).arg(1);
        if let Some(duration) = duration {
            call = call.arg("EX").arg(Ttl::from(duration).as_seconds().max(1));
        }
        self.client().query(&call).map(drop)
    }

    /// Takes [`suspend_all`](Self::suspend_all) back.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::Refused`].
    pub fn resume_all(&self) -> Result<()> {
        let call = RedisCommand::new("DEL").arg(self.client().keys.suspended());
        self.client().query(&call).map(drop)
    }

    /// Tells a worker of this deployment, rq-rs' or Python's, to end when what it runs has ended. RQ's
    /// `send_shutdown_command`.
    ///
    /// # Errors
    /// [`Error::NoWorker`] when none of that name listens; [`Error::Unreachable`], [`Error::Refused`].
    pub fn shutdown_worker(&self, name: &str) -> Result<()> {
        self.command(&WorkerCommand::Shutdown, name)
    }

    /// Tells a worker to kill what it runs; those jobs fail, or are tried again. RQ's
    /// `send_kill_horse_command`.
    ///
    /// # Errors
    /// As [`shutdown_worker`](Self::shutdown_worker).
    pub fn kill_horse(&self, name: &str) -> Result<()> {
        self.command(&WorkerCommand::KillHorse, name)
    }

    /// Tells a worker of rq-rs to start no more jobs until [`continue_worker`](Self::continue_worker); those that
    /// run end, and it stays. What the signal TSTP does.
    ///
    /// # Errors
    /// As [`shutdown_worker`](Self::shutdown_worker).
    pub fn quiet_worker(&self, name: &str) -> Result<()> {
        self.command(&WorkerCommand::Quiet, name)
    }

    /// Takes [`quiet_worker`](Self::quiet_worker) back.
    ///
    /// # Errors
    /// As [`shutdown_worker`](Self::shutdown_worker).
    pub fn continue_worker(&self, name: &str) -> Result<()> {
        self.command(&WorkerCommand::Continue, name)
    }

    fn command(&self, command: &WorkerCommand, name: &str) -> Result<()> {
        match command.send(self.client(), name)? {
            true => Ok(()),
            false => Err(Error::NoWorker { name: name.to_owned() }),
        }
    }
}
