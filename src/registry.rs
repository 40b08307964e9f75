//! `Registry`: the jobs of a queue in one state, as a sorted set.

use std::sync::Arc;

use crate::client::scripts::MoveToQueue;
use crate::client::{Client, RedisCommand, Reply, now, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;

/// Codes in the reply of the script `move_to_queue`: see `src/lua/README.md`.
const IN_QUEUE: i64 = 1;
const RECORD_GONE: i64 = 2;

/// Number of ids that one script call requeues.
const BATCH: usize = 200;
/// Number of ids that one call reads.
const PAGE: usize = 2000;

/// A registry: the jobs of one queue in one state, such as [`Queue::failed`](crate::Queue::failed), as a sorted set
/// of ids.
#[derive(Clone)]
pub struct Registry {
    client: Arc<Client>,
    key: String,
    list: String,
    /// Statuses of the registry's jobs, separated by spaces; empty if any status is possible.
    statuses: &'static str,
}

/// Outcome of [`Registry::requeue`] for one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requeued {
    /// The job is back in its queue.
    Back,
    /// The id is not in this registry: it was requeued before, or was never there. Nothing was changed.
    NotThere,
    /// The id was in the registry, but the job's record has expired or was deleted. The entry was removed.
    Gone,
}

/// The statuses that jobs in a registry have, separated by spaces; empty if any status is possible. An entry whose job
/// has another status is a leftover: RQ leaves it behind when an id is enqueued again.
pub(crate) fn statuses_of(queue: &QueueKeys, key: &str) -> &'static str {
    let statuses = [
        (&queue.failed, "failed stopped"),
        (&queue.finished, "finished"),
        (&queue.canceled, "canceled"),
        (&queue.scheduled, "scheduled created"),
        (&queue.deferred, "deferred"),
    ];
    statuses.into_iter().find(|(registry, _)| *registry == key).map_or("", |(_, statuses)| statuses)
}

/// Decodes the reply of a requeue or of [`Registry::enqueue_now`]: one outcome for each id.
pub(crate) fn decode_requeued(reply: Reply) -> Result<Vec<Requeued>> {
    let outcome = |code: &Reply| {
        Ok(match reply::int(code)? {
            IN_QUEUE => Requeued::Back,
            RECORD_GONE => Requeued::Gone,
            _ => Requeued::NotThere,
        })
    };
    reply::list(reply)?.iter().map(outcome).collect()
}

impl Registry {
    pub(crate) fn new(client: &Arc<Client>, queue: &QueueKeys, key: &str) -> Self {
        let statuses = statuses_of(queue, key);
        Registry { client: Arc::clone(client), key: key.to_owned(), list: queue.list.clone(), statuses }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Fetches the number of entries.
    ///
    /// # Errors
    /// [`Error::Unreachable`](crate::Error::Unreachable), [`Error::Refused`](crate::Error::Refused).
    pub fn count(&self) -> Result<usize> {
        let count = self.client.call(&RedisCommand::new("ZCARD").arg(&self.key))?;
        Ok(usize::try_from(reply::int(&count)?).unwrap_or(0))
    }

    /// Fetches a page of the ids, lowest score first: the oldest failure of the failed registry, the next job of the
    /// scheduled registry. In the started registry an id is `<job>:<execution>`.
    ///
    /// # Errors
    /// [`Error::Unreachable`](crate::Error::Unreachable), [`Error::Refused`](crate::Error::Refused).
    pub fn ids(&self, offset: usize, limit: usize) -> Result<Vec<String>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let range = RedisCommand::new("ZRANGE").arg(&self.key).arg(offset).arg(offset + limit - 1);
        reply::texts(self.client.call(&range)?)
    }

    /// Puts ended jobs of this registry back at the end of their queue, as new ones: all retries of
    /// their policy are available again. Returns what was done with each id, in order. A second call changes
    /// nothing. RQ's `requeue`.
    ///
    /// # Errors
    /// [`Error::Unreachable`](crate::Error::Unreachable), [`Error::Refused`](crate::Error::Refused).
    pub fn requeue<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<Requeued>> {
        self.move_to_queue(ids, |batch| self.encode_requeue(batch, &now()))
    }

    /// Puts scheduled jobs at the end of their queue now.
    pub(crate) fn enqueue_now<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<Requeued>> {
        self.move_to_queue(ids, |batch| self.encode_enqueue_now(batch, &now()))
    }

    /// Calls a script that moves jobs to their queue, in batches.
    fn move_to_queue<S: AsRef<str>>(
        &self,
        ids: &[S],
        encode: impl Fn(&[S]) -> RedisCommand,
    ) -> Result<Vec<Requeued>> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            outcomes.extend(decode_requeued(self.client.call(&encode(batch))?)?);
        }
        Ok(outcomes)
    }

    /// Encodes a requeue of one batch. The call may be repeated with the same time.
    pub(crate) fn encode_requeue<S: AsRef<str>>(&self, ids: &[S], enqueued_at: &str) -> RedisCommand {
        self.encode_move(ids, enqueued_at, true)
    }

    /// Encodes the enqueueing of one batch of scheduled jobs. The call may be repeated with the same time.
    pub(crate) fn encode_enqueue_now<S: AsRef<str>>(&self, ids: &[S], enqueued_at: &str) -> RedisCommand {
        self.encode_move(ids, enqueued_at, false)
    }

    /// Encodes a move of one batch; `as_new` jobs have all retries of their policy again.
    fn encode_move<S: AsRef<str>>(&self, ids: &[S], enqueued_at: &str, as_new: bool) -> RedisCommand {
        let call = self.client.evalsha(&MoveToQueue {
            registry: &self.key,
            list: &self.list,
            queues: &self.client.keys.queues(),
            enqueued_at,
            as_new,
            statuses: self.statuses,
        });
        ids.iter().fold(call, |call, id| call.arg(id.as_ref()))
    }

    /// Requeues all jobs that are in the registry now, in batches, and returns how many. A job that fails again
    /// meanwhile stays in the registry.
    ///
    /// # Errors
    /// [`Error::Unreachable`](crate::Error::Unreachable), [`Error::Refused`](crate::Error::Refused). Batches before
    /// the error are requeued.
    pub fn requeue_all(&self) -> Result<usize> {
        self.requeue_all_with_progress(|_| {})
    }

    /// Requeues all jobs, and calls `progress` after each batch with the number of ids processed so far.
    pub(crate) fn requeue_all_with_progress(&self, mut progress: impl FnMut(usize)) -> Result<usize> {
        // All ids are read before the first is requeued: a job that fails again at once would be met again and again.
        let ids = self.all_ids()?;
        let mut requeued = 0;
        for (n, batch) in ids.chunks(BATCH).enumerate() {
            let outcomes = self.requeue(batch)?;
            requeued += outcomes.iter().filter(|outcome| **outcome == Requeued::Back).count();
            progress(n * BATCH + batch.len());
        }
        Ok(requeued)
    }

    fn all_ids(&self) -> Result<Vec<String>> {
        let count = self.count()?;
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            let page = self.ids(ids.len(), PAGE)?;
            if page.is_empty() {
                break;
            }
            ids.extend(page);
        }
        Ok(ids)
    }
}
