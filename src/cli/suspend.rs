//! `rq-rs suspend [QUEUES…]` and `rq-rs resume [QUEUES…]`

use std::time::Duration;

use clap::Args;

use super::exit::{Exit, Failure};
use super::output::print;
use super::redis_options::RedisOptions;
use super::reports::{report_unknown_queues, report_wrong_types};
use crate::job::parse_duration;
use crate::program;
use crate::queue::{Queue, all_queue_names, check_existing_or_valid};
use crate::wrong_type::WrongTypeKeys;

/// Suspend queues, or all workers: no more jobs are started
#[derive(Args)]
pub(crate) struct SuspendCommand {
    /// Suspend only these queues [default: all workers, as in RQ]
    queues: Vec<String>,
    /// Time until jobs are started again [default: until `rq-rs resume`]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "queues")]
    duration: Option<Duration>,
}

impl SuspendCommand {
    pub(crate) fn run(self, redis: &RedisOptions) -> Result<Exit, Failure> {
        if self.duration.is_some_and(|duration| duration < Duration::from_secs(1)) {
            return Err(Failure::Usage(
                "--duration is less than a second".into(),
                "as in --duration 10m".into(),
            ));
        }
        let client = redis.connect()?;
        self.queues.iter().try_for_each(|name| check_existing_or_valid(&client, name))?;
        report_unknown_queues(&client, &self.queues)?;
        if self.queues.is_empty() {
            Queue::with_client(&client, "default")?.suspend_all(self.duration)?;
            print("All workers suspended: no new jobs are started, jobs that run are completed.")?;
        }
        for name in &self.queues {
            Queue::with_any_name(&client, name).suspend()?;
            print(format_args!("{name} suspended: no new jobs of it are started."))?;
        }
        Ok(Exit::Done)
    }
}

/// Undo a suspend: jobs are started again
#[derive(Args)]
pub(crate) struct ResumeCommand {
    /// Resume only these queues [default: all workers, as in RQ; queues suspended by name stay so]
    queues: Vec<String>,
}

impl ResumeCommand {
    pub(crate) fn run(self, redis: &RedisOptions) -> Result<Exit, Failure> {
        let client = redis.connect()?;
        let mut wrong_type_keys = WrongTypeKeys::default();
        self.queues.iter().try_for_each(|name| check_existing_or_valid(&client, name))?;
        if self.queues.is_empty() {
            Queue::with_client(&client, "default")?.resume_all()?;
            print("All workers resumed.")?;
            for name in all_queue_names(&client, &mut wrong_type_keys)? {
                if wrong_type_keys.tolerate(
                    &client.keys.suspended_queues(),
                    Queue::with_any_name(&client, &name).is_suspended(),
                )? {
                    let me = program::name();
                    print(format_args!("{name} stays suspended; `{me} resume {name}` lets it go on."))?;
                }
            }
        }
        for name in &self.queues {
            Queue::with_any_name(&client, name).resume()?;
            print(format_args!("{name} resumed."))?;
        }
        Ok(report_wrong_types(&wrong_type_keys))
    }
}
