//! Jobs that wait for a rate limit. Only RQ's dialect has them. Redis keeps them by limit; here they are by queue.

use std::collections::HashMap;

use super::job_list::{ScoredId, SortOrder};
use crate::client::scripts::RateLimitedJobs;
use crate::client::{Client, Reply, reply};
use crate::error::Result;
use crate::queue::Queue;
use crate::wrong_type::tolerate_wrong_type;

/// Jobs of one limit that are read; the rest is counted in proportion.
const MAX_JOBS_PER_LIMIT: usize = 1000;
/// Jobs of all limits that are read.
const MAX_JOBS: usize = 5000;

/// Queries the ids and times of a queue's jobs, or with an empty name the numbers by queue.
fn query_limited(client: &Client, queue: &str) -> Result<Vec<Reply>> {
    if !client.rq.is_enabled() {
        return Ok(Vec::new());
    }
    let command = client.evalsha(&RateLimitedJobs {
        queue,
        max_jobs_per_limit: MAX_JOBS_PER_LIMIT,
        max_jobs: MAX_JOBS,
    });
    tolerate_wrong_type(client.call(&command).and_then(reply::list))
}

/// Counts the waiting jobs of each queue.
pub(in crate::snapshot) fn count_by_queue(client: &Client) -> Result<HashMap<String, u64>> {
    let pairs = query_limited(client, "")?;
    let pair = |pair: &[Reply]| {
        let count = reply::int(&pair[1]).ok().and_then(|count| u64::try_from(count).ok());
        Some((reply::text(pair[0].clone()).ok()??, count?))
    };
    Ok(pairs.chunks_exact(2).filter_map(pair).collect())
}

/// Counts the waiting jobs of one queue that [`fetch_ids`] can return.
pub(in crate::snapshot) fn count_in_queue(client: &Client, queue: &str) -> Result<usize> {
    Ok(query_limited(client, queue)?.len() / 2)
}

/// Fetches the waiting jobs of one queue; their scores are the times since which they wait.
pub(in crate::snapshot) fn fetch_ids(
    client: &Client,
    queue: &Queue,
    order: SortOrder,
    (offset, limit): (usize, usize),
) -> Result<Vec<ScoredId>> {
    let replies = query_limited(client, queue.name())?.into_iter();
    let texts = replies.map(|reply| Ok(reply::text(reply)?.unwrap_or_default()));
    let texts: Vec<String> = texts.collect::<Result<_>>()?;
    let pair = |pair: &[String]| (pair[0].clone(), pair[1].parse::<f64>().unwrap_or_default());
    let mut ids: Vec<(String, f64)> = texts.chunks_exact(2).map(pair).collect();
    ids.sort_by(|a, b| a.1.total_cmp(&b.1));
    if order == SortOrder::Newest {
        ids.reverse();
    }
    Ok(ids.into_iter().skip(offset).take(limit).map(|(id, since)| (id, Some(since))).collect())
}
