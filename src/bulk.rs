//! The same for many jobs: some that are named, or all that a filter fits, in parts.

use std::collections::HashSet;
use std::sync::Arc;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::job_handle::{self, Job};
use crate::queue::Queue;
use crate::registry::Requeued;
use crate::snapshot::{self, Filter, JobList, PageQuery, SortOrder};
use crate::wrong_type::is_wrong_type;

/// What is to be done to jobs of one place.
pub(crate) struct BulkAction<'a> {
    pub(crate) queue: &'a str,
    pub(crate) place: JobList,
    pub(crate) action: &'a str,
}

/// For how many it was done, for how many it could not be, and where it goes on.
pub(crate) struct BulkProgress {
    pub(crate) done: usize,
    pub(crate) failed: usize,
    pub(crate) next: Option<Cursor>,
}

/// Where a walk goes on, and at how many it has still to look.
pub(crate) struct Cursor {
    pub(crate) offset: usize,
    pub(crate) left: usize,
}

/// A part of all that a filter fits, from the oldest on, and no more than there were at first: what fails again
/// meanwhile comes behind those, and is not looked at.
pub(crate) fn run_batch(
    client: &Arc<Client>,
    deed: &BulkAction<'_>,
    filter: Filter,
    limit: usize,
    from: Option<Cursor>,
) -> Result<BulkProgress> {
    let offset = from.as_ref().map_or(0, |from| from.offset);
    let asked = PageQuery { offset, limit, order: SortOrder::Oldest, filter };
    let mut found = snapshot::find_matching(client, deed.queue, deed.place, &asked)?;
    let left = from.map_or(found.total, |from| from.left);
    found.seen.truncate(left);
    let is_seen: HashSet<&String> = found.seen.iter().collect();
    found.ids.retain(|id| is_seen.contains(id));
    let done = apply_to_ids(client, deed, &found.ids)?;
    // What is gone has let those behind it move up.
    let kept = snapshot::count_remaining(client, deed.queue, deed.place, (offset, &found.seen))?;
    let left = left - found.seen.len();
    let next = (left > 0 && !found.seen.is_empty()).then_some(Cursor { offset: offset + kept, left });
    Ok(BulkProgress { done, failed: found.ids.len() - done, next })
}

/// For how many of these jobs, which are in one place of one queue, it could be done.
pub(crate) fn apply_to_ids(client: &Arc<Client>, deed: &BulkAction<'_>, ids: &[String]) -> Result<usize> {
    let BulkAction { queue: name, place, action } = *deed;
    let queue = Queue::with_any_name(client, name);
    let back = |answers: Vec<Requeued>| answers.iter().filter(|one| **one == Requeued::Back).count();
    match (action, place) {
        ("requeue", JobList::Failed) => return queue.failed().requeue(ids).map(back),
        ("requeue", JobList::Canceled) => return queue.canceled().requeue(ids).map(back),
        ("enqueue", JobList::Scheduled) => return queue.scheduled().enqueue_now(ids).map(back),
        ("cancel" | "delete", _) => {}
        _ => {
            let what = format!("jobs that are {} cannot be told to {action}", place.name());
            return Err(Error::invalid(what, "see docs/dashboard.md"));
        }
    }
    let mut done = 0;
    for id in ids {
        let one = match action {
            "delete" => job_handle::delete(client, id, name),
            _ => Job::fetch_partial(client, id).and_then(|mut job| job.cancel()).map(|_| true),
        };
        match one {
            Ok(is_done) => done += usize::from(is_done),
            Err(error) if error.is_redis_error() && !is_wrong_type(&error) => return Err(error),
            // Gone, ended meanwhile, or a key that another program has taken.
            Err(_) => {}
        }
    }
    Ok(done)
}
