//! Counts and fetches the ids in one list of a queue.

use std::collections::HashSet;
use std::sync::Arc;

use super::job_list::{JobList, ScoredId, SortOrder};
use super::rate_limited;
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::queue::Queue;
use crate::wrong_type::WrongTypeKeys;

/// Counts the jobs in one list of a queue.
pub(in crate::snapshot) fn count_jobs(
    client: &Arc<Client>,
    queue: &str,
    list: JobList,
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<usize> {
    if list == JobList::RateLimited {
        return rate_limited::count_in_queue(client, queue);
    }
    let queue = Queue::with_any_name(client, queue);
    match list.registry(&queue) {
        Some(registry) => wrong_type_keys.tolerate(registry.key(), registry.count()),
        None => wrong_type_keys.tolerate(&queue.keys().list, queue.count()),
    }
}

/// Fetches at most `limit` ids of one list of a queue, from an offset on.
pub(in crate::snapshot) fn fetch_ids(
    client: &Arc<Client>,
    (queue, list): (&str, JobList),
    order: SortOrder,
    (offset, limit): (usize, usize),
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<Vec<ScoredId>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let queue = Queue::with_any_name(client, queue);
    if list == JobList::RateLimited {
        return rate_limited::fetch_ids(client, &queue, order, (offset, limit));
    }
    let Some(registry) = list.registry(&queue) else {
        return fetch_queued_ids(&queue, order, (offset, limit), wrong_type_keys);
    };
    let pairs = fetch_scores(client, registry.key(), order, (offset, limit), wrong_type_keys)?;
    let without_execution = |(member, score): (String, Option<f64>)| {
        // `<job>:<execution>`; RQ before 2.0 wrote no execution.
        let id = member.rsplit_once(':').map_or(member.as_str(), |(id, _)| id);
        (id.to_owned(), score)
    };
    Ok(match list {
        JobList::Started => pairs.into_iter().map(without_execution).collect(),
        _ => pairs,
    })
}

/// Fetches members of a sorted set with their scores.
fn fetch_scores(
    client: &Client,
    key: &str,
    order: SortOrder,
    (offset, limit): (usize, usize),
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<Vec<ScoredId>> {
    let command = if order == SortOrder::Newest { "ZREVRANGE" } else { "ZRANGE" };
    let command = RedisCommand::new(command).arg(key).arg(offset).arg(offset + limit - 1).arg("WITHSCORES");
    let texts = wrong_type_keys.tolerate(key, client.call(&command).and_then(reply::texts))?;
    Ok(texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].parse().ok())).collect())
}

fn fetch_queued_ids(
    queue: &Queue,
    order: SortOrder,
    (offset, limit): (usize, usize),
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<Vec<ScoredId>> {
    let key = &queue.keys().list;
    let ids = match order {
        SortOrder::Oldest => wrong_type_keys.tolerate(key, queue.ids(offset, limit))?,
        SortOrder::Newest => {
            let rest = wrong_type_keys.tolerate(key, queue.count())?.saturating_sub(offset);
            let mut ids =
                wrong_type_keys.tolerate(key, queue.ids(rest.saturating_sub(limit), limit.min(rest)))?;
            ids.reverse();
            ids
        }
    };
    Ok(ids.into_iter().map(|id| (id, None)).collect())
}

/// Counts how many of these ids, found from an offset on, are still in the list. Removed ids shift the offset of
/// those behind them.
pub(crate) fn count_remaining(
    client: &Arc<Client>,
    queue: &str,
    list: JobList,
    (offset, seen): (usize, &[String]),
) -> Result<usize> {
    let mut wrong_type_keys = WrongTypeKeys::default();
    let ids =
        fetch_ids(client, (queue, list), SortOrder::Oldest, (offset, seen.len()), &mut wrong_type_keys)?;
    let seen: HashSet<&str> = seen.iter().map(String::as_str).collect();
    Ok(ids.iter().filter(|(id, _)| seen.contains(id.as_str())).count())
}
