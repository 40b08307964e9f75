//! `rq-rs requeue [IDS…] --queue Q --all`

use std::io::{BufRead, stdin};
use std::sync::Arc;

use clap::Args;

use super::exit::{Exit, Failure};
use super::format::pluralize;
use super::output::{eprint, print, print_error};
use super::progress::ProgressBar;
use super::redis_options::RedisOptions;
use super::reports::{job_failure, named_or_all_queues, report_wrong_types};
use crate::client::Client;
use crate::error::Error;
use crate::job_handle::Job;
use crate::queue::Queue;
use crate::snapshot::{self, IdScan, JobList};
use crate::wrong_type::{WrongTypeKeys, is_wrong_type};

/// Number of errors that are printed one by one.
const MAX_ERRORS_PRINTED: usize = 10;

/// Put jobs that failed or were canceled back in their queues as new, with all their retries; also jobs that are in no
/// list any more. The exit code is 1 if any of them could not be requeued
#[derive(Args)]
pub(crate) struct RequeueCommand {
    /// Ids of jobs; - reads them from standard input, one on each line
    #[arg(conflicts_with = "all")]
    ids: Vec<String>,
    /// Requeue all failed jobs, of one queue or of all queues
    #[arg(short, long)]
    all: bool,
    /// Requeue only jobs of this queue
    #[arg(short, long)]
    queue: Option<String>,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

/// Adds the keys of failed jobs that have a wrong type to `wrong_type_keys`, and returns their number.
fn add_wrong_type_keys(
    client: &Arc<Client>,
    queue: &Queue,
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<usize, Failure> {
    let (queues, mut job_keys) = ([queue.name().to_owned()], WrongTypeKeys::default());
    let list = IdScan { client, queues: &queues, list: JobList::Failed, offset: 0, limit: None };
    let mut number = 0;
    list.for_each_batch(wrong_type_keys, |_, ids| {
        for (id, row) in ids.iter().zip(snapshot::fetch_rows(client, ids)?) {
            if row.is_err_and(|error| is_wrong_type(&error)) {
                job_keys.insert(&client.keys.job(id));
                number += 1;
            }
        }
        Ok::<_, Failure>(())
    })?;
    wrong_type_keys.merge(job_keys);
    Ok(number)
}

impl RequeueCommand {
    pub(crate) fn run(self, redis: &RedisOptions) -> Result<Exit, Failure> {
        if !self.all && self.ids.is_empty() {
            return Err(Failure::Usage(
                "no job is named".into(),
                "give ids, - for standard input, or --all".into(),
            ));
        }
        let client = redis.connect()?;
        if self.all { self.requeue_all(&client) } else { self.requeue_ids(&client) }
    }

    fn requeue_all(&self, client: &Arc<Client>) -> Result<Exit, Failure> {
        let mut wrong_type_keys = WrongTypeKeys::default();
        let queues = named_or_all_queues(client, self.queue.as_deref(), &mut wrong_type_keys)?;
        let mut registries = Vec::with_capacity(queues.len());
        for queue in &queues {
            let queue = Queue::with_any_name(client, queue);
            let failed = queue.failed();
            let count = wrong_type_keys.tolerate(failed.key(), failed.count().map(Some))?;
            registries.extend(count.map(|count| (count, failed, queue)));
        }
        let total: usize = registries.iter().map(|(count, ..)| count).sum();
        if total == 0 {
            print("Nothing to do: no failed jobs.")?;
            return Ok(report_wrong_types(&wrong_type_keys));
        }
        let bar = ProgressBar::new(total, self.quiet);
        let (mut done, mut requeued, mut unreadable) = (0, 0, 0);
        for (count, failed, queue) in registries {
            let result = failed.requeue_all_with_progress(|n| bar.set_done(done + n)).map(Some);
            // If a key has a wrong type, it is most likely the list into which the jobs go.
            match wrong_type_keys.tolerate(&queue.keys().list, result)? {
                Some(number) => {
                    requeued += number;
                    if number < count {
                        unreadable += add_wrong_type_keys(client, &queue, &mut wrong_type_keys)?;
                    }
                }
                None => unreadable += count,
            }
            done += count;
        }
        drop(bar);
        print(format_args!("{} requeued.", pluralize(requeued, "job")))?;
        let exit = report_wrong_types(&wrong_type_keys);
        let missing = total.saturating_sub(requeued + unreadable);
        Ok(if missing == 0 { exit } else { report_missing(missing) })
    }

    fn requeue_ids(&self, client: &Arc<Client>) -> Result<Exit, Failure> {
        let ids = self.all_ids()?;
        let bar = ProgressBar::new(ids.len(), self.quiet);
        let mut requeued = 0;
        let mut failures = Vec::new();
        for id in &ids {
            match self.requeue_one(client, id) {
                Ok(()) => requeued += 1,
                // A key of a wrong type concerns one job; other errors of Redis concern all.
                Err(error) if error.is_redis_error() && !is_wrong_type(&error) => return Err(error.into()),
                Err(error) => failures.push(job_failure(client, id, error)),
            }
            bar.increment();
        }
        drop(bar);
        print(format_args!("{} requeued.", pluralize(requeued, "job")))?;
        let exit = if failures.is_empty() { Exit::Done } else { Exit::Failed };
        let more = failures.len().saturating_sub(MAX_ERRORS_PRINTED);
        failures.into_iter().take(MAX_ERRORS_PRINTED).for_each(|failure| print_error(&failure));
        if more > 0 {
            eprint(format_args!("… and {more} more like that"));
        }
        Ok(exit)
    }

    fn requeue_one(&self, client: &Arc<Client>, id: &str) -> Result<(), Error> {
        let mut job = Job::fetch_partial(client, id)?;
        match &self.queue {
            Some(queue) if *queue != job.origin => Err(Error::invalid(
                format!("job {id} is of queue {}, not {queue}", job.origin),
                "leave --queue out, or name that queue",
            )),
            _ => job.requeue(),
        }
    }

    /// Returns the ids of the command line, with `-` replaced by the lines of standard input.
    fn all_ids(&self) -> Result<Vec<String>, Failure> {
        let mut ids = Vec::new();
        for id in &self.ids {
            if id != "-" {
                ids.push(id.clone());
                continue;
            }
            for line in stdin().lock().lines() {
                let line = line?;
                ids.extend(Some(line.trim()).filter(|id| !id.is_empty()).map(str::to_owned));
            }
        }
        Ok(ids)
    }
}

/// Prints the error about entries that were not requeued, and returns the exit code.
fn report_missing(number: usize) -> Exit {
    let what = format!(
        "{} could not be requeued: the record has expired, or another got there first",
        pluralize(number, "job")
    );
    print_error(&Failure::Other(what, "entries without a record were removed".into()));
    Exit::Failed
}
