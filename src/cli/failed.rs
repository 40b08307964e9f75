//! `rq-rs failed [QUEUE]`

use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::format::{clock_time, pluralize, shell_quote, table};
use super::output::{PrintResult, eprint, print, print_json_list, print_lines};
use super::redis_options::RedisOptions;
use super::reports::{named_or_all_queues, report_more, report_wrong_types};
use super::value_parsers::parse_limit;
use crate::bounded_read;
use crate::client::Client;
use crate::error::Error;
use crate::job::{JobSummary, Record, error_line};
use crate::printable::first_line;
use crate::snapshot::{self, IdScan, JobList};
use crate::wrong_type::{WrongTypeKeys, is_wrong_type};

/// Number of rows of a table by default.
const DEFAULT_LIMIT: usize = 50;
/// Number of complete records that are read together, at most a megabyte of each.
const RECORDS_PER_BATCH: usize = 10;

/// Show jobs that failed, the oldest first
#[derive(Args)]
pub(crate) struct FailedCommand {
    /// Show only this queue [default: all queues]
    queue: Option<String>,
    /// Number of jobs to skip
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
    /// Number of jobs to show [default: 50; with --json all]
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    limit: Option<usize>,
    /// Print JSON: a list of jobs, without fields of more than 256 KiB, which are named in "cut"
    #[arg(long)]
    json: bool,
}

/// A job in the JSON list.
#[derive(Serialize)]
struct FailedJob {
    #[serde(flatten)]
    record: Record,
    cut: Vec<&'static str>,
}

impl FailedCommand {
    pub(crate) fn run(self, redis: &RedisOptions) -> Result<Exit, Failure> {
        let client = redis.connect()?;
        let mut wrong_type_keys = WrongTypeKeys::default();
        let queues = named_or_all_queues(&client, self.queue.as_deref(), &mut wrong_type_keys)?;
        let limit = self.limit.or((!self.json).then_some(DEFAULT_LIMIT));
        let list =
            IdScan { client: &client, queues: &queues, list: JobList::Failed, offset: self.offset, limit };
        // Keys of jobs, apart from those of queues and registries: they are reported last.
        let mut job_keys = WrongTypeKeys::default();
        let total = match self.json {
            true => {
                let mut total = 0;
                print_json_list(|show| {
                    total = list.for_each_batch(&mut wrong_type_keys, |_, ids| {
                        print_records(&client, ids, &mut job_keys, show)
                    })?;
                    Ok(Exit::Done)
                })?;
                total
            }
            false => print_table(&list, &mut wrong_type_keys, &mut job_keys)?,
        };
        let end = self.offset.saturating_add(limit.unwrap_or(usize::MAX));
        report_more(total.saturating_sub(end), &self.next_page_command(end), "the next ones");
        wrong_type_keys.merge(job_keys);
        Ok(report_wrong_types(&wrong_type_keys))
    }

    /// Returns the command that shows the rows from `offset` on.
    fn next_page_command(&self, offset: usize) -> String {
        let queue = self.queue.as_deref().map_or_else(String::new, |name| format!(" {}", shell_quote(name)));
        let limit = self.limit.map_or_else(String::new, |limit| format!(" --limit {limit}"));
        let json = if self.json { " --json" } else { "" };
        format!("failed{queue} --offset {offset}{limit}{json}")
    }
}

fn print_records(
    client: &Arc<Client>,
    ids: &[String],
    job_keys: &mut WrongTypeKeys,
    show: &mut dyn FnMut(&FailedJob) -> PrintResult,
) -> PrintResult {
    for ids in ids.chunks(RECORDS_PER_BATCH) {
        for (id, found) in ids.iter().zip(bounded_read::fetch_previews(client, ids)?) {
            match found {
                Ok(found) => {
                    let (record, cut) = found.read(id);
                    show(&FailedJob { record, cut })?;
                }
                Err(error) => report_unreadable(client, id, &error, job_keys),
            }
        }
    }
    Ok(())
}

/// Prints the table and returns the total number of failed jobs.
fn print_table(
    list: &IdScan<'_>,
    wrong_type_keys: &mut WrongTypeKeys,
    job_keys: &mut WrongTypeKeys,
) -> Result<usize, Failure> {
    let mut cells = Vec::new();
    let total = list.for_each_batch(wrong_type_keys, |queue, ids| {
        for (id, row) in ids.iter().zip(snapshot::fetch_rows(list.client, ids)?) {
            match row {
                Ok(job) => cells.push(table_row(id, queue, &job)),
                Err(error) => report_unreadable(list.client, id, &error, job_keys),
            }
        }
        Ok::<_, Failure>(())
    })?;
    if total == 0 {
        print("No failed jobs.")?;
        return Ok(0);
    }
    let shown = cells.len();
    print_lines(table(&["id", "queue", "handler", "failed", "worker", "error"], cells))?;
    print(format_args!("{shown} of {}", pluralize(total, "failed job")))?;
    Ok(total)
}

fn table_row(id: &str, queue: &str, job: &JobSummary) -> Vec<String> {
    let error = job.error.as_deref().map_or("no reason is kept", error_line);
    let origin = if job.origin.is_empty() { queue } else { &job.origin };
    vec![
        id.to_owned(),
        origin.to_owned(),
        // If the payload cannot be read, RQ's description still has the name of the function.
        first_line(job.handler.as_deref().unwrap_or(&job.description), 40),
        clock_time(job.ended_at),
        first_line(job.worker_name.as_deref().unwrap_or("–"), 12),
        first_line(error, 100),
    ]
}

/// Prints a note about a job that cannot be read. Keys of a wrong type are only collected in `job_keys`.
fn report_unreadable(client: &Client, id: &str, error: &Error, job_keys: &mut WrongTypeKeys) {
    match is_wrong_type(error) {
        true => job_keys.insert(&client.keys.job(id)),
        false => eprint(format_args!("{}: {error}", first_line(id, 60))),
    }
}
