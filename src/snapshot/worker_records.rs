//! Reads worker records in bounded memory, however long their lists of queues are.

use crate::bounded_read;
use crate::client::Client;
use crate::error::Result;
use crate::job::{ExcerptSpec, Excerpts};

/// Bytes read of a short field.
const SHORT_FIELD: usize = 300;
/// Bytes read of a list at first.
const SHORT_LIST: usize = 4096;
/// Bytes read of a list that turned out to be longer.
const LONG_LIST: usize = 512 * 1024;
/// Number of records with long lists that are read in one round trip.
const LONG_LISTS_PER_BATCH: usize = 8;
/// Bytes of memory that a name takes beside its text.
const NAME_OVERHEAD: usize = 48;

/// Fields of a worker's record.
const FIELDS: &[ExcerptSpec] = &[
    ("state", SHORT_FIELD, 0),
    ("queues", SHORT_LIST, 0),
    ("hostname", SHORT_FIELD, 0),
    ("pid", SHORT_FIELD, 0),
    ("concurrency", SHORT_FIELD, 0),
    ("version", SHORT_FIELD, 0),
    ("birth", SHORT_FIELD, 0),
    ("last_heartbeat", SHORT_FIELD, 0),
    ("last_fetch", SHORT_FIELD, 0),
    ("successful_job_count", SHORT_FIELD, 0),
    ("failed_job_count", SHORT_FIELD, 0),
    ("total_working_time", SHORT_FIELD, 0),
    ("runs_in", SHORT_FIELD, 0),
    ("quiet", SHORT_FIELD, 0),
    ("memory", SHORT_FIELD, 0),
    ("stuck_threads", SHORT_FIELD, 0),
    ("recovered_count", SHORT_FIELD, 0),
    ("stale_count", SHORT_FIELD, 0),
    ("reconnect_count", SHORT_FIELD, 0),
    ("lease", SHORT_FIELD, 0),
    ("handler_limits", SHORT_LIST, 0),
];
/// Fields that are lists.
const LISTS: &[ExcerptSpec] = &[("queues", LONG_LIST, 0), ("handler_limits", LONG_LIST, 0)];

/// Bytes that may still be read and kept of the queues of all workers together.
pub(super) struct MemoryBudget(usize);

impl Default for MemoryBudget {
    fn default() -> Self {
        MemoryBudget(8 * 1024 * 1024)
    }
}

/// Fetches these records; `None` for one that has expired.
pub(super) fn fetch_records(
    client: &Client,
    keys: &[String],
    budget: &mut MemoryBudget,
) -> Result<Vec<Result<Option<Excerpts>>>> {
    let hashes = keys.iter().map(|key| (key.clone(), None));
    let mut records = bounded_read::fetch_excerpts(client, hashes, FIELDS)?;
    let mut long: Vec<(&String, &mut Excerpts)> = Vec::new();
    for (key, record) in keys.iter().zip(&mut records) {
        if let Ok(Some(record)) = record
            && has_long_list(record)
        {
            long.push((key, record));
        }
    }
    for batch in long.chunks_mut(LONG_LISTS_PER_BATCH) {
        if budget.0 > 0 {
            fetch_long_lists(client, batch, budget)?;
        }
    }
    Ok(records)
}

fn has_long_list(record: &Excerpts) -> bool {
    LISTS.iter().any(|(name, ..)| record.get(name).is_some_and(|list| !list.is_whole))
}

/// Replaces the beginnings of lists by more of them.
fn fetch_long_lists(
    client: &Client,
    records: &mut [(&String, &mut Excerpts)],
    budget: &mut MemoryBudget,
) -> Result<()> {
    let hashes: Vec<_> = records.iter().map(|(key, _)| ((*key).clone(), None)).collect();
    let replies = bounded_read::fetch_excerpts(client, hashes.into_iter(), LISTS)?;
    for ((_, record), reply) in records.iter_mut().zip(replies) {
        // A record that has expired meanwhile keeps its beginnings.
        let Ok(Some(lists)) = reply else { continue };
        for (name, list) in lists.0 {
            budget.0 = budget.0.saturating_sub(list.head.len());
            record.0.retain(|(known, _)| *known != name);
            record.0.push((name, list));
        }
    }
    Ok(())
}

/// Splits the list of queues as far as the budget goes. Returns the names, and whether any are missing.
pub(super) fn split_queues(record: &Excerpts, budget: &mut MemoryBudget) -> (Vec<String>, bool) {
    let Some(list) = record.get("queues") else { return (Vec::new(), false) };
    let text = String::from_utf8_lossy(&list.head);
    // The last name of an incomplete list may be cut.
    let complete = if list.is_whole { &*text } else { text.rsplit_once(',').map_or("", |(names, _)| names) };
    let mut names = Vec::new();
    for name in complete.split(',').filter(|name| !name.is_empty()) {
        let Some(left) = budget.0.checked_sub(name.len() + NAME_OVERHEAD) else { return (names, true) };
        budget.0 = left;
        names.push(name.to_owned());
    }
    (names, !list.is_whole)
}
