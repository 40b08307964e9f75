//! Reading what was counted.

use serde::Serialize;

use super::{BUCKETS, DAYS, MINUTES};
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::RawHash;

/// How many runs ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) finished: u64,
    pub(crate) failed: u64,
    pub(crate) retried: u64,
}

/// What a queue or a handler has done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    /// By minute since 1970, and by day.
    minutes: Vec<(i64, Counts)>,
    days: Vec<(i64, Counts)>,
    pub(crate) total: Counts,
    /// Seconds that all runs took together.
    pub(crate) seconds: f64,
    /// Runs by how long they took, see [`BUCKETS`].
    pub(crate) buckets: [u64; BUCKETS.len() + 1],
}

impl Series {
    fn of(fields: &RawHash) -> Self {
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

    /// The last `n` minutes, this one (since 1970) being the last of them.
    pub(crate) fn minutes(&self, now: i64, n: i64) -> Vec<Counts> {
        window(&self.minutes, now, n)
    }

    /// The same for days.
    pub(crate) fn days(&self, today: i64, n: i64) -> Vec<Counts> {
        window(&self.days, today, n)
    }
}

/// `stamp finished failed retried`
fn slot(value: &[u8]) -> Option<(i64, Counts)> {
    let mut numbers = std::str::from_utf8(value).ok()?.split(' ').map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let stamp = i64::try_from(next()?).ok()?;
    Some((stamp, Counts { finished: next()?, failed: next()?, retried: next()? }))
}

fn window(ring: &[(i64, Counts)], last: i64, n: i64) -> Vec<Counts> {
    let at = |stamp: i64| ring.iter().find(|(one, _)| *one == stamp).map(|(_, counts)| *counts);
    (last - n + 1..=last).map(|stamp| at(stamp).unwrap_or_default()).collect()
}

pub(crate) fn sum(counts: &[Counts]) -> Counts {
    counts.iter().fold(Counts::default(), |sum, one| Counts {
        finished: sum.finished + one.finished,
        failed: sum.failed + one.failed,
        retried: sum.retried + one.retried,
    })
}

/// The series of these queues.
pub(crate) fn fetch_series(client: &Client, queues: &[String]) -> Result<Vec<Series>> {
    let calls: Vec<RedisCommand> =
        queues.iter().map(|name| RedisCommand::new("HGETALL").arg(client.keys.stats(name))).collect();
    series(client, &calls)
}

/// The handlers of a queue, with their series; what is beyond the most is named `*`.
pub(crate) fn fetch_handler_series(client: &Client, queue: &str) -> Result<Vec<(String, Series)>> {
    let set = client.query_all(&[RedisCommand::new("SMEMBERS").arg(client.keys.stats_handlers(queue))])?;
    let mut names = set.into_iter().next().and_then(Result::ok).map_or(Ok(Vec::new()), reply::texts)?;
    names.sort_unstable();
    let mut calls: Vec<RedisCommand> = names
        .iter()
        .map(|name| RedisCommand::new("HGETALL").arg(client.keys.stats_handler(queue, name)))
        .collect();
    calls.push(RedisCommand::new("HGETALL").arg(client.keys.stats_others(queue)));
    let mut all = series(client, &calls)?;
    let others = all.pop().filter(|series| series.total != Counts::default());
    let others = others.map(|series| ("*".to_owned(), series));
    Ok(names.into_iter().zip(all).chain(others).collect())
}

/// A key that another program has taken counts as nothing.
fn series(client: &Client, calls: &[RedisCommand]) -> Result<Vec<Series>> {
    let of = |answer: Result<_>| Series::of(&RawHash(answer.and_then(reply::pairs).unwrap_or_default()));
    Ok(client.query_all(calls)?.into_iter().map(of).collect())
}
