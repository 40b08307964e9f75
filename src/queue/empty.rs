//! Emptying and deleting a queue.

use super::Queue;
use crate::client::scripts::Empty;
use crate::client::{RedisCommand, Reply, now, reply};
use crate::error::Result;

/// Number of ids that one script call removes.
const BATCH: usize = 500;

impl Queue {
    /// Deletes all waiting jobs, in batches, and returns how many. Running jobs stay, and so do jobs that are
    /// enqueued meanwhile. RQ's `Queue.empty`.
    ///
    /// # Errors
    /// [`Error::Unreachable`](crate::Error::Unreachable), [`Error::Refused`](crate::Error::Refused). Batches before
    /// the error are deleted.
    pub fn empty(&self) -> Result<usize> {
        self.empty_with_progress(|_| {})
    }

    /// Empties the queue, and calls `progress` after each batch with the number of ids removed so far.
    pub(crate) fn empty_with_progress(&self, mut progress: impl FnMut(usize)) -> Result<usize> {
        let mut left = self.count()?;
        let (mut removed_ids, mut deleted_jobs) = (0, 0);
        while left > 0 {
            let batch = left.min(BATCH);
            let (ids, jobs) = self.empty_batch(batch)?;
            if ids == 0 {
                break;
            }
            removed_ids += ids;
            deleted_jobs += jobs;
            left -= batch;
            progress(removed_ids);
        }
        Ok(deleted_jobs)
    }

    /// Removes up to `limit` ids with their jobs, and returns the numbers of ids and of jobs.
    fn empty_batch(&self, limit: usize) -> Result<(usize, usize)> {
        let call = self.client.evalsha(&Empty { list: &self.keys.list, max_ids: limit, enqueued_at: &now() });
        // Not repeatable: a second run would remove jobs that were enqueued meanwhile.
        let mut replies = self.client.call_all_at_most_once(&[call])?;
        let counts = reply::list(replies.pop().unwrap_or(Ok(Reply::Nil))?)?;
        let count = |n: usize| counts.get(n).map_or(Ok(0), reply::int).map(|n| n as usize);
        Ok((count(0)?, count(1)?))
    }

    /// Empties the queue and removes its name from the list of queues. Its registries stay. Returns the number of
    /// deleted jobs.
    ///
    /// # Errors
    /// [`Error::Unreachable`](crate::Error::Unreachable), [`Error::Refused`](crate::Error::Refused).
    pub fn delete(&self) -> Result<usize> {
        let deleted_jobs = self.empty()?;
        let unlist = RedisCommand::new("SREM").arg(self.client.keys.queues()).arg(&self.keys.list);
        self.client.call(&unlist)?;
        Ok(deleted_jobs)
    }
}
