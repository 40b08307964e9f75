//! `rq-rs failed [QUEUE]`

use std::sync::Arc;

use clap::Args;

use super::exit::{Exit, Failure};
use super::output::{clock, count, note, note_unknown, say, say_json, short, table};
use super::server::ServerOptions;
use crate::error::Error;
use crate::handle::Job;
use crate::job::error_line;
use crate::queue::{Queue, all_names};
use crate::store::Store;

/// Show jobs that failed, the oldest first
#[derive(Args)]
pub(crate) struct Failed {
    /// Only this queue [default: all]
    queue: Option<String>,
    /// How many to skip
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
    /// How many to show
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Print JSON: a list of jobs
    #[arg(long)]
    json: bool,
}

impl Failed {
    pub(crate) fn run(self, server: &ServerOptions) -> Result<Exit, Failure> {
        let store = server.connect()?;
        let queues = match &self.queue {
            Some(name) => {
                note_unknown(&store, std::slice::from_ref(name))?;
                vec![name.clone()]
            }
            None => all_names(&store)?,
        };
        let (jobs, total) = self.page(&store, &queues)?;
        if self.json {
            say_json(&jobs.iter().map(|job| &**job).collect::<Vec<_>>())?;
            return Ok(Exit::Done);
        }
        if total == 0 {
            say("No failed jobs.")?;
            return Ok(Exit::Done);
        }
        let row = |job: &Job| {
            let error = job.exc_info.as_deref().map_or("no reason is kept", error_line);
            vec![
                job.id().to_owned(),
                job.origin.clone(),
                // RQ's description of a payload that cannot be read still names it.
                short(job.handler.as_deref().unwrap_or(&job.description), 40),
                clock(job.ended_at),
                short(job.worker_name.as_deref().unwrap_or("–"), 12),
                short(error, 100),
            ]
        };
        say(table(&["id", "queue", "handler", "failed", "worker", "error"], jobs.iter().map(row).collect()))?;
        say(format_args!("{} of {}", jobs.len(), count(total, "failed job")))?;
        Ok(Exit::Done)
    }

    /// The jobs of this page over all queues, and how many there are in all.
    fn page(&self, store: &Arc<Store>, queues: &[String]) -> Result<(Vec<Job>, usize), Failure> {
        let (mut skip, mut left, mut total) = (self.offset, self.limit, 0);
        let mut jobs = Vec::new();
        for name in queues {
            let failed = Queue::on(store, name)?.failed();
            let here = failed.count()?;
            total += here;
            let ids = failed.ids(skip, left.min(here.saturating_sub(skip)))?;
            skip = skip.saturating_sub(here);
            left -= ids.len();
            for id in ids {
                match Job::fetch(store, &id) {
                    Ok(job) => jobs.push(job),
                    Err(error @ Error::Unreachable { .. }) => return Err(error.into()),
                    Err(error) => note(format_args!("{}: {error}", short(&id, 60))),
                }
            }
        }
        Ok((jobs, total))
    }
}
