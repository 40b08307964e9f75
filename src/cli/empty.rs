//! `rq-rs empty [QUEUES…]`

use clap::Args;

use super::exit::{Exit, Failure};
use super::format::pluralize;
use super::output::print;
use super::progress::ProgressBar;
use super::redis_options::RedisOptions;
use super::reports::{report_unknown_queues, report_wrong_types};
use crate::queue::{Queue, all_names, check_known};
use crate::wrong_type::WrongTypeKeys;

/// Remove all jobs that wait in queues
#[derive(Args)]
pub(crate) struct EmptyCommand {
    /// The queues
    #[arg(conflicts_with = "all", required_unless_present = "all")]
    queues: Vec<String>,
    /// All queues
    #[arg(short, long)]
    all: bool,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

impl EmptyCommand {
    pub(crate) fn run(self, server: &RedisOptions) -> Result<Exit, Failure> {
        let client = server.connect()?;
        let mut odd = WrongTypeKeys::default();
        self.queues.iter().try_for_each(|name| check_known(&client, name))?;
        report_unknown_queues(&client, &self.queues)?;
        let names = if self.all { all_names(&client, &mut odd)? } else { self.queues };
        if names.is_empty() {
            print("Nothing to do: no queues.")?;
        }
        for name in names {
            let queue = Queue::of(&client, &name);
            let Some(waiting) = odd.pass(&queue.keys().list, queue.count().map(Some))? else { continue };
            let bar = ProgressBar::new(waiting, self.quiet);
            let removed = queue.empty_with(|taken| bar.set_done(taken))?;
            drop(bar);
            print(format_args!("{} removed from {name}", pluralize(removed, "job")))?;
        }
        Ok(report_wrong_types(&odd))
    }
}
