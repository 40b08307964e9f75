//! Bulk actions: on given ids, or batch by batch on all jobs that a filter matches.

use std::collections::HashSet;
use std::sync::Arc;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::job_handle::{self, Job};
use crate::queue::Queue;
use crate::registry::Requeued;
use crate::snapshot::{self, Filter, JobList, PageQuery, SortOrder};
use crate::wrong_type::is_wrong_type;

/// An action on jobs of one list.
pub(crate) struct BulkAction<'a> {
    pub(crate) queue: &'a str,
    pub(crate) list: JobList,
    /// `requeue`, `enqueue`, `cancel` or `delete`.
    pub(crate) action: &'a str,
}

/// The result of one batch.
pub(crate) struct BulkProgress {
    /// Number of jobs on which the action was done.
    pub(crate) done: usize,
    /// Number of jobs on which it was not possible.
    pub(crate) failed: usize,
    /// Start of the next batch, if there are more jobs.
    pub(crate) next: Option<Cursor>,
}

/// The start of a batch.
pub(crate) struct Cursor {
    pub(crate) offset: usize,
    /// Number of jobs that are still to be read.
    pub(crate) left: usize,
}

/// Applies an action to at most `limit` jobs that a filter matches, the oldest first. All batches together read as
/// many jobs as there were at first: a job that fails again meanwhile comes behind them and is left alone.
pub(crate) fn run_batch(
    client: &Arc<Client>,
    action: &BulkAction<'_>,
    filter: Filter,
    limit: usize,
    from: Option<Cursor>,
) -> Result<BulkProgress> {
    let offset = from.as_ref().map_or(0, |from| from.offset);
    let query = PageQuery { offset, limit, order: SortOrder::Oldest, filter };
    let mut found = snapshot::find_matching(client, action.queue, action.list, &query)?;
    let left = from.map_or(found.total, |from| from.left);
    found.seen.truncate(left);
    let is_seen: HashSet<&String> = found.seen.iter().collect();
    found.ids.retain(|id| is_seen.contains(id));
    let done = apply_to_ids(client, action, &found.ids)?;
    // Removed jobs shift the offset of those behind them.
    let remaining = snapshot::count_remaining(client, action.queue, action.list, (offset, &found.seen))?;
    let left = left - found.seen.len();
    let next = (left > 0 && !found.seen.is_empty()).then_some(Cursor { offset: offset + remaining, left });
    Ok(BulkProgress { done, failed: found.ids.len() - done, next })
}

/// Applies an action to these jobs, which are in one list. Returns the number of jobs on which it was done.
///
/// # Errors
/// [`Error::Invalid`] for an action that the list does not allow; errors of Redis.
pub(crate) fn apply_to_ids(client: &Arc<Client>, action: &BulkAction<'_>, ids: &[String]) -> Result<usize> {
    let queue = Queue::with_any_name(client, action.queue);
    let count =
        |outcomes: Vec<Requeued>| outcomes.iter().filter(|outcome| **outcome == Requeued::Back).count();
    match (action.action, action.list) {
        ("requeue", JobList::Failed) => queue.failed().requeue(ids).map(count),
        ("requeue", JobList::Canceled) => queue.canceled().requeue(ids).map(count),
        ("enqueue", JobList::Scheduled) => queue.scheduled().enqueue_now(ids).map(count),
        ("cancel", _) => for_each_id(ids, |id| {
            Job::fetch_partial(client, id).and_then(|mut job| job.cancel()).map(|_| true)
        }),
        ("delete", _) => for_each_id(ids, |id| job_handle::delete(client, id, action.queue)),
        (name, list) => {
            let what = format!("{name} is not possible for {} jobs", list.name());
            Err(Error::invalid(what, "see docs/dashboard.md"))
        }
    }
}

/// Returns the number of ids for which `apply` returns `true`. Jobs that are gone or have ended meanwhile, and keys
/// of a wrong type, do not stop the others.
fn for_each_id(ids: &[String], mut apply: impl FnMut(&str) -> Result<bool>) -> Result<usize> {
    let mut done = 0;
    for id in ids {
        match apply(id) {
            Ok(is_done) => done += usize::from(is_done),
            Err(error) if error.is_redis_error() && !is_wrong_type(&error) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(done)
}
