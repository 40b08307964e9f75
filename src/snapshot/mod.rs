//! Snapshots of a deployment for everything that shows it: the command line, `top`, the page and the metrics. Reads
//! only.

mod cron_runs;
mod dependencies;
mod diagnostic;
mod explain;
mod failure_groups;
mod job_view;
mod lists;
pub(crate) mod messages;
mod overview;
mod queues;
mod run_history;
mod running;
mod warnings;
mod worker_records;
mod workers;

use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::queue::{all_queue_names, check_existing_or_valid};
use crate::server_info;
use crate::wrong_type::WrongTypeKeys;

pub(crate) use cron_runs::{CronRun, fetch_cron_history};
#[cfg(test)]
pub(crate) use diagnostic::Diagnostic;
pub(crate) use failure_groups::fetch_failure_groups;
#[cfg(feature = "top")]
pub(crate) use failure_groups::{FailureGroup, FailureGroups};
pub(crate) use job_view::{fetch_job, fetch_job_bounded};
pub(crate) use lists::filter::Filter;
pub(crate) use lists::id_scan::IdScan;
pub(crate) use lists::ids::count_remaining;
pub(crate) use lists::job_list::{JobList, SortOrder};
pub(crate) use lists::matching::{count_matching, find_matching};
pub(crate) use lists::page::{MAX_PAGE_SIZE, PageQuery, fetch_page, fetch_scheduled};
pub(crate) use lists::row::{fetch_result_json, fetch_rows};
pub(crate) use overview::{ServerView, Snapshot};
pub(crate) use queues::QueueView;
pub(crate) use run_history::fetch_run_history;
#[cfg(feature = "top")]
pub(crate) use running::RunningJob;
pub(crate) use running::fetch_running;

#[cfg(feature = "top")]
pub(crate) use warnings::WORKER_SILENCE_LIMIT;
pub(crate) use workers::{WorkerView, fetch_runs_in};

/// Largest number of workers in a snapshot; all are counted.
const MAX_WORKERS: usize = 1000;

/// Fetches the named queues, or all queues when `only` is empty, and the workers that listen to them.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid) for a name that is neither a queue nor valid; errors of Redis.
pub(crate) fn fetch(client: &Client, only: &[String]) -> Result<Snapshot> {
    only.iter().try_for_each(|name| check_existing_or_valid(client, name))?;
    let server = server_info::fetch(client)?;
    let mut wrong_type_keys = WrongTypeKeys::default();
    let names = if only.is_empty() { all_queue_names(client, &mut wrong_type_keys)? } else { only.to_vec() };
    let suspended = client.call(&RedisCommand::new("EXISTS").arg(client.keys.suspended()))?;
    let mut queues = queues::fetch_queues(client, &names, &mut wrong_type_keys)?;
    let now = client.server_now()?;
    let minutes = queues::fetch_details(client, &mut queues, now)?;
    let mut workers = workers::fetch_workers(client, &mut wrong_type_keys)?;
    for queue in &mut queues {
        queue.workers = workers.iter().filter(|worker| worker.listens_to(&queue.name)).count() as u64;
    }
    workers.retain(|worker| only.is_empty() || only.iter().any(|queue| worker.listens_to(queue)));
    let worker_count = workers.len();
    workers.truncate(MAX_WORKERS);
    let mut snapshot = Snapshot {
        server: ServerView::new(client.address(), server),
        suspended: reply::int(&suspended)? == 1,
        queues,
        workers,
        worker_count,
        warnings: Vec::new(),
        wrong_type_keys,
        minutes,
        now,
    };
    snapshot.warnings = warnings::find_warnings(&snapshot);
    Ok(snapshot)
}
