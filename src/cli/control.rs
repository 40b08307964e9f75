//! `rq-rs shutdown|quiet|continue|kill-horse NAME…`

use clap::Args;

use super::exit::{Exit, Failure};
use super::output::{print, print_error};
use super::redis_options::RedisOptions;
use crate::error::Error;
use crate::queue::Queue;

/// Names of workers, as `info` shows them
#[derive(Args)]
pub(crate) struct Names {
    /// Names of workers, as `rq-rs info` shows them
    #[arg(required = true)]
    names: Vec<String>,
}

impl Names {
    /// Tells each, and complains of those that do not listen.
    fn tell(
        &self,
        server: &RedisOptions,
        what: &str,
        send: fn(&Queue, &str) -> Result<(), Error>,
    ) -> Result<Exit, Failure> {
        let any = Queue::on(&server.connect()?, "default")?;
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

    pub(crate) fn shutdown(&self, server: &RedisOptions) -> Result<Exit, Failure> {
        self.tell(server, "end when what it runs has ended", Queue::shutdown_worker)
    }

    pub(crate) fn quiet(&self, server: &RedisOptions) -> Result<Exit, Failure> {
        self.tell(server, "start no more jobs", Queue::quiet_worker)
    }

    pub(crate) fn go_on(&self, server: &RedisOptions) -> Result<Exit, Failure> {
        self.tell(server, "go on", Queue::continue_worker)
    }

    pub(crate) fn kill_horse(&self, server: &RedisOptions) -> Result<Exit, Failure> {
        self.tell(server, "kill what it runs", Queue::kill_horse)
    }
}
