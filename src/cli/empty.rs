//! `rq-rs empty [QUEUES…]`

use clap::Args;

use super::exit::{Exit, Failure};
use super::format::pluralize;
use super::output::print;
use super::progress::ProgressBar;
use super::redis_options::RedisOptions;
use super::reports::{report_unknown_queues, report_wrong_types};
use crate::queue::{Queue, all_queue_names, check_existing_or_valid};
use crate::wrong_type::WrongTypeKeys;

/// Remove all jobs that wait in queues
#[derive(Args)]
pub(crate) struct EmptyCommand {
    /// The queues
    #[arg(conflicts_with = "all", required_unless_present = "all")]
    queues: Vec<String>,
    /// Empty all queues
    #[arg(short, long)]
    all: bool,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

impl EmptyCommand {
    pub(crate) fn run(self, redis: &RedisOptions) -> Result<Exit, Failure> {
        let client = redis.connect()?;
        let mut wrong_type_keys = WrongTypeKeys::default();
        self.queues.iter().try_for_each(|name| check_existing_or_valid(&client, name))?;
        report_unknown_queues(&client, &self.queues)?;
        let names = if self.all { all_queue_names(&client, &mut wrong_type_keys)? } else { self.queues };
        if names.is_empty() {
            print("Nothing to do: no queues.")?;
        }
        for name in names {
            let queue = Queue::with_any_name(&client, &name);
            let Some(waiting) = wrong_type_keys.tolerate(&queue.keys().list, queue.count().map(Some))? else {
                continue;
            };
            let bar = ProgressBar::new(waiting, self.quiet);
            let removed = queue.empty_with_progress(|removed| bar.set_done(removed))?;
            drop(bar);
            print(format_args!("{} removed from {name}", pluralize(removed, "job")))?;
        }
        Ok(report_wrong_types(&wrong_type_keys))
    }
}
