//! Jobs that an entry has enqueued, as Redis keeps them.

use chrono::{DateTime, Utc};

use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::from_unix_seconds;
use crate::wrong_type::WrongTypeKeys;

/// Counts the jobs of an entry.
pub(crate) fn count_history(
    client: &Client,
    name: &str,
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<usize> {
    let key = client.keys.cron_entry_jobs(name);
    let count = client.call(&RedisCommand::new("ZCARD").arg(&key)).and_then(|count| reply::int(&count));
    Ok(usize::try_from(wrong_type_keys.tolerate(&key, count)?).unwrap_or(0))
}

/// Fetches the ids of an entry's jobs and when they were enqueued, the newest first.
pub(crate) fn fetch_history(
    client: &Client,
    name: &str,
    limit: usize,
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<Vec<(String, DateTime<Utc>)>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let key = client.keys.cron_entry_jobs(name);
    let newest = RedisCommand::new("ZREVRANGE").arg(&key).arg(0).arg(limit - 1).arg("WITHSCORES");
    let texts = wrong_type_keys.tolerate(&key, client.call(&newest).and_then(reply::texts))?;
    let job = |pair: &[String]| {
        let seconds = pair[1].parse().unwrap_or_default();
        (pair[0].clone(), from_unix_seconds(seconds).unwrap_or_default())
    };
    Ok(texts.chunks_exact(2).map(job).collect())
}
