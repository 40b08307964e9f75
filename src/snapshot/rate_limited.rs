//! Jobs that wait for a rate limit. Only RQ's dialect has them, sorted by limits; here they are sorted by queues.

use std::collections::HashMap;

use super::job_list::SortOrder;
use crate::client::scripts::RATE_LIMITED_JOBS;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::error::Result;
use crate::queue::Queue;
use crate::wrong_type::tolerate_wrong_type;

/// How many jobs of one limit are looked at; what is more is counted in proportion.
const MAX_PER_LIMIT: usize = 1000;
/// How many in all.
const MAX_TOTAL: usize = 5000;

fn query_limited(client: &Client, queue: &str) -> Result<Vec<Reply>> {
    if !client.rq.is_enabled() {
        return Ok(Vec::new());
    }
    let call = RedisCommand::evalsha(&RATE_LIMITED_JOBS, &[])
        .arg(client.rq.key_patterns())
        .arg(queue)
        .arg(MAX_PER_LIMIT)
        .arg(MAX_TOTAL);
    tolerate_wrong_type(client.query(&call).and_then(reply::list))
}

/// How many of each queue wait.
pub(super) fn count_by_queue(client: &Client) -> Result<HashMap<String, u64>> {
    let pairs = query_limited(client, "")?;
    let pair = |pair: &[Reply]| {
        let count = reply::int(&pair[1]).ok().and_then(|count| u64::try_from(count).ok());
        Some((reply::text(pair[0].clone()).ok()??, count?))
    };
    Ok(pairs.chunks_exact(2).filter_map(pair).collect())
}

/// How many of one queue wait, as far as a list of them goes.
pub(super) fn count_in_queue(client: &Client, queue: &str) -> Result<usize> {
    Ok(query_limited(client, queue)?.len() / 2)
}

/// Those of one queue and since when they wait.
pub(super) fn fetch_ids(
    client: &Client,
    queue: &Queue,
    order: SortOrder,
    (offset, limit): (usize, usize),
) -> Result<Vec<(String, Option<f64>)>> {
    let texts =
        query_limited(client, queue.name())?.into_iter().map(|one| Ok(reply::text(one)?.unwrap_or_default()));
    let texts: Vec<String> = texts.collect::<Result<_>>()?;
    let pair = |pair: &[String]| (pair[0].clone(), pair[1].parse::<f64>().unwrap_or_default());
    let mut ids: Vec<(String, f64)> = texts.chunks_exact(2).map(pair).collect();
    ids.sort_by(|a, b| a.1.total_cmp(&b.1));
    if order == SortOrder::Newest {
        ids.reverse();
    }
    Ok(ids.into_iter().skip(offset).take(limit).map(|(id, since)| (id, Some(since))).collect())
}
