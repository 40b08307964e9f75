//! `rq-rs suspend [QUEUES…]` and `rq-rs resume [QUEUES…]`

use std::time::Duration;

use clap::Args;

use super::exit::{Exit, Failure};
use super::output::{note_unknown, say};
use super::server::ServerOptions;
use crate::job::parse_duration;
use crate::queue::{Queue, all_names};

/// Start no more jobs: of these queues, or of all
#[derive(Args)]
pub(crate) struct Suspend {
    /// Only these queues [default: all workers, as in RQ]
    queues: Vec<String>,
    /// For how long [default: until `rq-rs resume`]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "queues")]
    duration: Option<Duration>,
}

impl Suspend {
    pub(crate) fn run(self, server: &ServerOptions) -> Result<Exit, Failure> {
        if self.duration.is_some_and(|duration| duration < Duration::from_secs(1)) {
            return Err(Failure::Usage(
                "--duration is less than a second".into(),
                "as in --duration 10m".into(),
            ));
        }
        let store = server.connect()?;
        note_unknown(&store, &self.queues)?;
        if self.queues.is_empty() {
            Queue::on(&store, "default")?.suspend_all(self.duration)?;
            say("All workers suspended: no new jobs are started, jobs that run are completed.")?;
        }
        for name in &self.queues {
            Queue::on(&store, name)?.suspend()?;
            say(format_args!("{name} suspended: no new jobs of it are started."))?;
        }
        Ok(Exit::Done)
    }
}

/// Take a suspend back
#[derive(Args)]
pub(crate) struct Resume {
    /// Only these queues [default: all workers, as in RQ; queues suspended by name stay so]
    queues: Vec<String>,
}

impl Resume {
    pub(crate) fn run(self, server: &ServerOptions) -> Result<Exit, Failure> {
        let store = server.connect()?;
        if self.queues.is_empty() {
            Queue::on(&store, "default")?.resume_all()?;
            say("All workers resumed.")?;
            for name in all_names(&store)? {
                if Queue::on(&store, &name)?.is_suspended()? {
                    say(format_args!("{name} stays suspended; `rq-rs resume {name}` lets it go on."))?;
                }
            }
        }
        for name in &self.queues {
            Queue::on(&store, name)?.resume()?;
            say(format_args!("{name} resumed."))?;
        }
        Ok(Exit::Done)
    }
}
