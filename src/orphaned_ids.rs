//! Orphaned ids: ids that a worker has popped into a queue's intermediate list and, because it died, never claimed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::client::scripts::PutBackOrphanedIds;
use crate::client::{Client, RedisCommand, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;

/// Number of ids of an intermediate list that one call reads.
const SCAN_LIMIT: usize = 1000;

/// The ids of one intermediate list, each with the time at which it was first seen there.
#[derive(Default)]
pub(crate) struct OrphanTracker(HashMap<Vec<u8>, Instant>);

impl OrphanTracker {
    /// Puts ids back into their queue that have been in the list for too long, and returns their number. An id that
    /// has left and re-entered the list between two calls is put back early. That is harmless: the claim of the worker
    /// that has popped it does not find it in the list, and starts nothing.
    pub(crate) fn put_back(&mut self, client: &Client, queue: &QueueKeys, now: Instant) -> Result<usize> {
        let query = RedisCommand::new("LRANGE").arg(&queue.intermediate).arg(0).arg(SCAN_LIMIT - 1);
        let mut listed = Vec::new();
        for id in reply::list(client.call(&query)?)? {
            listed.extend(reply::bytes(id)?);
        }
        let orphans = self.update(listed, client.dialect.orphan_after, now);
        if orphans.is_empty() {
            return Ok(0);
        }
        let put_back = reply::int(&client.call(&encode_put_back(client, queue, &orphans))?)?;
        Ok(usize::try_from(put_back).unwrap_or(0))
    }

    /// Records the ids that are in the list now. Removes and returns those that have been there for `max_age`.
    pub(crate) fn update(&mut self, listed: Vec<Vec<u8>>, max_age: Duration, now: Instant) -> Vec<Vec<u8>> {
        self.0.retain(|id, _| listed.contains(id));
        let mut orphans = Vec::new();
        for id in listed {
            let since = *self.0.entry(id.clone()).or_insert(now);
            if now.saturating_duration_since(since) >= max_age {
                self.0.remove(&id);
                orphans.push(id);
            }
        }
        orphans
    }
}

/// Encodes a call that puts ids back into their queue, and returns how many.
pub(crate) fn encode_put_back(client: &Client, queue: &QueueKeys, ids: &[Vec<u8>]) -> RedisCommand {
    let call = client.evalsha(&PutBackOrphanedIds { intermediate: &queue.intermediate, list: &queue.list });
    ids.iter().fold(call, RedisCommand::arg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_an_orphan_once_it_has_been_listed_for_the_whole_time() {
        let (mut tracker, max_age, start) =
            (OrphanTracker::default(), Duration::from_secs(10), Instant::now());
        let mut update = |seconds: u64, ids: &[&str]| {
            let listed = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
            let orphans = tracker.update(listed, max_age, start + Duration::from_secs(seconds));
            orphans.into_iter().map(|id| String::from_utf8(id).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(update(0, &["a", "b"]), [""; 0]);
        assert_eq!(update(9, &["a"]), [""; 0]);
        assert_eq!(update(10, &["a", "b"]), ["a"], "b has left the list and come back");
        assert_eq!(update(18, &["b"]), [""; 0]);
        assert_eq!(update(20, &["b"]), ["b"]);
    }
}
