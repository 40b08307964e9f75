//! `rq-rs empty [QUEUES…]`

use clap::Args;

use super::exit::{Exit, Failure};
use super::output::{count, note_unknown, say};
use super::progress::Progress;
use super::server::ServerOptions;
use crate::queue::{Queue, all_names};

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
    pub(crate) fn run(self, server: &ServerOptions) -> Result<Exit, Failure> {
        let store = server.connect()?;
        note_unknown(&store, &self.queues)?;
        let names = if self.all { all_names(&store)? } else { self.queues };
        if names.is_empty() {
            say("Nothing to do: no queues.")?;
        }
        for name in names {
            let queue = Queue::on(&store, &name)?;
            let bar = Progress::new(queue.count()?, self.quiet);
            let removed = queue.empty_with(|taken| bar.set(taken))?;
            drop(bar);
            say(format_args!("{} removed from {name}", count(removed, "job")))?;
        }
        Ok(Exit::Done)
    }
}
