//! Series of counts, read from Redis.

use serde::Serialize;

use super::{BUCKETS, DAYS, MINUTES};
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::RawHash;

/// Numbers of runs by the way they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) finished: u64,
    pub(crate) failed: u64,
    pub(crate) retried: u64,
}

/// The runs of a queue or of a handler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    /// Counts by minute since 1970.
    minutes: Vec<(i64, Counts)>,
    /// Counts by day since 1970, in UTC.
    days: Vec<(i64, Counts)>,
    pub(crate) total: Counts,
    /// Seconds that all runs took together.
    pub(crate) seconds: f64,
    /// Runs by duration: up to each of [`BUCKETS`], and longer.
    pub(crate) buckets: [u64; BUCKETS.len() + 1],
}

impl Series {
    fn read(fields: &RawHash) -> Self {
        let number = |name: &str| -> u64 {
            let value = fields.get(name).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
            value.unwrap_or(0)
        };
        let ring = |letter: char, length: i64| {
            (0..length).filter_map(|n| slot(fields.get(&format!("{letter}{n}"))?)).collect()
        };
        Series {
            minutes: ring('m', MINUTES),
            days: ring('d', DAYS),
            total: Counts {
                finished: number("finished"),
                failed: number("failed"),
                retried: number("retried"),
            },
            seconds: number("micros") as f64 / 1e6,
            buckets: std::array::from_fn(|n| number(&format!("b{}", n + 1))),
        }
    }

    /// Counts of the `n` minutes up to minute `now` since 1970.
    pub(crate) fn minutes(&self, now: i64, n: i64) -> Vec<Counts> {
        window(&self.minutes, now, n)
    }

    /// Counts of the `n` days up to day `today` since 1970.
    pub(crate) fn days(&self, today: i64, n: i64) -> Vec<Counts> {
        window(&self.days, today, n)
    }
}

/// Reads a field of a ring: `stamp finished failed retried`, where the stamp is the minute or day.
fn slot(value: &[u8]) -> Option<(i64, Counts)> {
    let mut numbers = std::str::from_utf8(value).ok()?.split(' ').map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let stamp = i64::try_from(next()?).ok()?;
    Some((stamp, Counts { finished: next()?, failed: next()?, retried: next()? }))
}

fn window(ring: &[(i64, Counts)], last: i64, n: i64) -> Vec<Counts> {
    let at = |stamp: i64| ring.iter().find(|(slot_stamp, _)| *slot_stamp == stamp).map(|(_, counts)| *counts);
    (last - n + 1..=last).map(|stamp| at(stamp).unwrap_or_default()).collect()
}

/// Adds counts to the totals of the same minutes or days. Empty totals become the counts.
pub(crate) fn add_each(totals: &mut Vec<Counts>, more: Vec<Counts>) {
    if totals.is_empty() {
        *totals = more;
        return;
    }
    for (total, counts) in totals.iter_mut().zip(more) {
        *total = sum(&[*total, counts]);
    }
}

/// Adds up counts.
pub(crate) fn sum(counts: &[Counts]) -> Counts {
    counts.iter().fold(Counts::default(), |sum, counts| Counts {
        finished: sum.finished + counts.finished,
        failed: sum.failed + counts.failed,
        retried: sum.retried + counts.retried,
    })
}

/// Fetches the series of these queues.
pub(crate) fn fetch_series(client: &Client, queues: &[String]) -> Result<Vec<Series>> {
    query_series(client, queues.iter().map(|name| client.keys.stats(name)))
}

/// Fetches the series of the handlers of a queue. The one that further handlers share is named `*`.
pub(crate) fn fetch_handler_series(client: &Client, queue: &str) -> Result<Vec<(String, Series)>> {
    let set = client.call_all(&[RedisCommand::new("SMEMBERS").arg(client.keys.stats_handlers(queue))])?;
    let mut names = set.into_iter().next().and_then(Result::ok).map_or(Ok(Vec::new()), reply::texts)?;
    names.sort_unstable();
    let keys = names.iter().map(|name| client.keys.stats_handler(queue, name));
    let mut all = query_series(client, keys.chain([client.keys.stats_others(queue)]))?;
    let others = all.pop().filter(|series| series.total != Counts::default());
    let others = others.map(|series| ("*".to_owned(), series));
    Ok(names.into_iter().zip(all).chain(others).collect())
}

/// Queries series by key. A key of a wrong type is an empty series.
fn query_series(client: &Client, keys: impl Iterator<Item = String>) -> Result<Vec<Series>> {
    let commands: Vec<RedisCommand> = keys.map(|key| RedisCommand::new("HGETALL").arg(key)).collect();
    let read = |reply: Result<_>| Series::read(&RawHash(reply.and_then(reply::pairs).unwrap_or_default()));
    Ok(client.call_all(&commands)?.into_iter().map(read).collect())
}
