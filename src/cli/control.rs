//! `rq-rs shutdown|quiet|continue|kill-horse NAME…`

use clap::Args;

use super::exit::{Exit, Failure};
use super::output::{print, print_error};
use super::redis_options::RedisOptions;
use crate::error::Error;
use crate::queue::Queue;

/// Names of workers, as `info` shows them
#[derive(Args)]
pub(crate) struct WorkerNames {
    /// Names of workers, as `rq-rs info` shows them
    #[arg(required = true)]
    names: Vec<String>,
}

impl WorkerNames {
    /// Sends a command to each worker. Workers that do not exist are printed as errors.
    fn send_to_each(
        &self,
        redis: &RedisOptions,
        what: &str,
        send: fn(&Queue, &str) -> Result<(), Error>,
    ) -> Result<Exit, Failure> {
        let any = Queue::with_client(&redis.connect()?, "default")?;
        let mut exit = Exit::Done;
        for name in &self.names {
            match send(&any, name) {
                Ok(()) => print(format_args!("{name} is told to {what}"))?,
                Err(error @ Error::NoWorker { .. }) => {
                    exit = Exit::Failed;
                    print_error(&error.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(exit)
    }

    pub(crate) fn shutdown(&self, redis: &RedisOptions) -> Result<Exit, Failure> {
        self.send_to_each(redis, "end when what it runs has ended", Queue::shutdown_worker)
    }

    pub(crate) fn quiet(&self, redis: &RedisOptions) -> Result<Exit, Failure> {
        self.send_to_each(redis, "start no more jobs", Queue::quiet_worker)
    }

    pub(crate) fn resume(&self, redis: &RedisOptions) -> Result<Exit, Failure> {
        self.send_to_each(redis, "go on", Queue::continue_worker)
    }

    pub(crate) fn kill_horse(&self, redis: &RedisOptions) -> Result<Exit, Failure> {
        self.send_to_each(redis, "kill what it runs", Queue::kill_horse)
    }
}
