//! A registry: the jobs of a queue that are in one state, as a sorted set.

use std::sync::{Arc, LazyLock};

use chrono::Utc;

use crate::client::scripts::{ENQUEUE_NOW, REQUEUE};
use crate::client::{Client, RedisCommand, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::iso;
use crate::redis::Script;

/// How many ids one script call requeues, and one page reads.
const BATCH: usize = 200;

/// The jobs of one queue in one state.
#[derive(Clone)]
pub struct Registry {
    client: Arc<Client>,
    key: String,
    list: String,
    /// The statuses of its jobs, with spaces between; none where they may have any.
    statuses: &'static str,
}

/// What became of one id that was to be requeued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requeued {
    /// It is back in its queue.
    Back,
    /// It is not in this registry: requeued before, or never there. Nothing was changed.
    NotThere,
    /// It was in the registry, but its record has expired or was deleted; the entry was removed.
    Gone,
}

/// What the record of a job says that a registry holds. RQ leaves entries behind when an id is enqueued anew.
pub(crate) fn statuses_of(queue: &QueueKeys, key: &str) -> &'static str {
    let of = [
        (&queue.failed, "failed stopped"),
        (&queue.finished, "finished"),
        (&queue.canceled, "canceled"),
        (&queue.scheduled, "scheduled created"),
        (&queue.deferred, "deferred"),
    ];
    of.into_iter().find(|(registry, _)| *registry == key).map_or("", |(_, statuses)| statuses)
}

impl Registry {
    pub(crate) fn new(client: &Arc<Client>, queue: &QueueKeys, key: &str) -> Self {
        let statuses = statuses_of(queue, key);
        Registry { client: Arc::clone(client), key: key.to_owned(), list: queue.list.clone(), statuses }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// How many entries it has.
    ///
    /// # Errors
    /// [`Error::Unreachable`](crate::Error::Unreachable), [`Error::Refused`](crate::Error::Refused).
    pub fn count(&self) -> Result<usize> {
        let count = self.client.query(&RedisCommand::new("ZCARD").arg(&self.key))?;
        Ok(usize::try_from(reply::int(&count)?).unwrap_or(0))
    }

    /// A page of its ids, lowest score first: for the failed registry the oldest failure.
    ///
    /// # Errors
    /// [`Error::Unreachable`](crate::Error::Unreachable), [`Error::Refused`](crate::Error::Refused).
    pub fn ids(&self, offset: usize, limit: usize) -> Result<Vec<String>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let call = RedisCommand::new("ZRANGE").arg(&self.key).arg(offset).arg(offset + limit - 1);
        reply::texts(self.client.query(&call)?)
    }

    /// Puts jobs back in their queue as new, behind the others; tells for each what became of it. They have all
    /// retries of their policy again. Repeating it changes nothing.
    ///
    /// # Errors
    /// [`Error::Unreachable`](crate::Error::Unreachable), [`Error::Refused`](crate::Error::Refused).
    pub fn requeue<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<Requeued>> {
        self.move_to_queue(&REQUEUE, true, ids)
    }

    /// Puts jobs that are scheduled into their queue now, behind the others.
    pub(crate) fn enqueue_now<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<Requeued>> {
        self.move_to_queue(&ENQUEUE_NOW, false, ids)
    }

    fn move_to_queue<S: AsRef<str>>(
        &self,
        script: &'static LazyLock<Script>,
        is_anew: bool,
        ids: &[S],
    ) -> Result<Vec<Requeued>> {
        let mut done = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            let mut call =
                RedisCommand::evalsha(script, &[&self.key, &self.list, &self.client.keys.queues()])
                    .arg(self.client.dialect.push)
                    .arg(self.client.keys.job_prefix())
                    .arg(iso(Utc::now()))
                    .arg(self.client.rq.key_patterns());
            if is_anew {
                call = call.arg(self.client.dialect.retries_field);
            }
            call = call.arg(self.statuses);
            for id in batch {
                call = call.arg(id.as_ref());
            }
            for answer in reply::list(self.client.query(&call)?)? {
                done.push(match reply::int(&answer)? {
                    1 => Requeued::Back,
                    2 => Requeued::Gone,
                    _ => Requeued::NotThere,
                });
            }
        }
        Ok(done)
    }

    /// Requeues all that are in it now, in batches, and returns how many. Jobs that fail again
    /// meanwhile stay.
    ///
    /// # Errors
    /// [`Error::Unreachable`](crate::Error::Unreachable), [`Error::Refused`](crate::Error::Refused).
    pub fn requeue_all(&self) -> Result<usize> {
        self.requeue_all_with_progress(|_| {})
    }

    /// The same; `progress` is told after each batch how many have been looked at.
    pub(crate) fn requeue_all_with_progress(&self, mut progress: impl FnMut(usize)) -> Result<usize> {
        let ids = self.all_ids()?;
        let mut back = 0;
        for (n, batch) in ids.chunks(BATCH).enumerate() {
            let done = self.requeue(batch)?;
            back += done.iter().filter(|one| **one == Requeued::Back).count();
            progress(n * BATCH + batch.len());
        }
        Ok(back)
    }

    /// Read first, requeue then: a job that fails at once again would else be met for ever.
    fn all_ids(&self) -> Result<Vec<String>> {
        let count = self.count()?;
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            let page = self.ids(ids.len(), 10 * BATCH)?;
            if page.is_empty() {
                break;
            }
            ids.extend(page);
        }
        Ok(ids)
    }
}
