//! `rq-rs empty [QUEUES…]`

use clap::Args;

use super::exit::{Exit, Failure};
use super::output::{count, note_odd, note_unknown, say};
use super::progress::Progress;
use super::server::ServerOptions;
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
    pub(crate) fn run(self, server: &ServerOptions) -> Result<Exit, Failure> {
        let store = server.connect()?;
        let mut odd = Odd::default();
        self.queues.iter().try_for_each(|name| check_known(&store, name))?;
        note_unknown(&store, &self.queues)?;
        let names = if self.all { all_names(&store, &mut odd)? } else { self.queues };
        if names.is_empty() {
            say("Nothing to do: no queues.")?;
        }
        for name in names {
            let queue = Queue::of(&store, &name);
            let Some(waiting) = odd.pass(&queue.keys().list, queue.count().map(Some))? else { continue };
            let bar = Progress::new(waiting, self.quiet);
            let removed = queue.empty_with(|taken| bar.set(taken))?;
            drop(bar);
            say(format_args!("{} removed from {name}", count(removed, "job")))?;
        }
        Ok(note_odd(&odd))
    }
}
