//! The same for many jobs.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::handle::{self, Job};
use crate::queue::Queue;
use crate::registry::Requeued;
use crate::snapshot::Place;
use crate::store::Store;

/// For how many of these jobs, which are in one place of one queue, it could be done.
pub(crate) fn on_many(
    store: &Arc<Store>,
    name: &str,
    place: Place,
    action: &str,
    ids: &[String],
) -> Result<usize> {
    let queue = Queue::on(store, name)?;
    let back = |answers: Vec<Requeued>| answers.iter().filter(|one| **one == Requeued::Back).count();
    match (action, place) {
        ("requeue", Place::Failed) => return queue.failed().requeue(ids).map(back),
        ("requeue", Place::Canceled) => return queue.canceled().requeue(ids).map(back),
        ("enqueue", Place::Scheduled) => return queue.scheduled().enqueue_now(ids).map(back),
        ("cancel" | "delete", _) => {}
        _ => {
            let what = format!("jobs that are {} cannot be told to {action}", place.name());
            return Err(Error::invalid(what, "see docs/dashboard.md"));
        }
    }
    let mut done = 0;
    for id in ids {
        let one = match action {
            "delete" => handle::delete(store, id, name),
            _ => Job::fetch(store, id).and_then(|mut job| job.cancel()).map(|_| true),
        };
        match one {
            Ok(is_done) => done += usize::from(is_done),
            Err(error @ (Error::Unreachable { .. } | Error::Denied { .. } | Error::Refused { .. })) => {
                return Err(error);
            }
            // Gone, or ended meanwhile.
            Err(_) => {}
        }
    }
    Ok(done)
}
