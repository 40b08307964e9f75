//! `rq-rs empty [QUEUES…]`

use clap::Args;

use super::exit::{Exit, Failure};
use super::format::pluralize;
use super::output::print;
use super::progress::ProgressBar;
use super::redis_options::RedisOptions;
use super::reports::{report_odd_keys, report_unknown_queues};
use crate::odd::Odd;
use crate::queue::{Queue, all_names, check_known};

/// Remove all jobs that wait in queues
#[derive(Args)]
pub(crate) struct Empty {
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

impl Empty {
    pub(crate) fn run(self, server: &RedisOptions) -> Result<Exit, Failure> {
        let store = server.connect()?;
        let mut odd = Odd::default();
        self.queues.iter().try_for_each(|name| check_known(&store, name))?;
        report_unknown_queues(&store, &self.queues)?;
        let names = if self.all { all_names(&store, &mut odd)? } else { self.queues };
        if names.is_empty() {
            print("Nothing to do: no queues.")?;
        }
        for name in names {
            let queue = Queue::of(&store, &name);
            let Some(waiting) = odd.pass(&queue.keys().list, queue.count().map(Some))? else { continue };
            let bar = ProgressBar::new(waiting, self.quiet);
            let removed = queue.empty_with(|taken| bar.set_done(taken))?;
            drop(bar);
            print(format_args!("{} removed from {name}", pluralize(removed, "job")))?;
        }
        Ok(report_odd_keys(&odd))
    }
}
