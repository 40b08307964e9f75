//! Counters of one worker: its runs since it last wrote them to Redis.

use std::collections::HashMap;
use std::time::Duration;

use super::{BUCKETS, DAYS, MAX_HANDLERS, MINUTES, SERIES_TTL};
use crate::client::scripts::RecordStats;
use crate::client::{Client, RedisCommand};

/// Largest number of handlers in one call of the script.
const HANDLERS_PER_CALL: usize = 50;
/// Numbers of series in the script.
const QUEUE_SERIES: usize = 0;
const FIRST_HANDLER_SERIES: usize = 1;

/// The way a run ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RunResult {
    Finished,
    Failed,
    Retried,
}

/// Numbers of runs by [`RunResult`].
type CountsByResult = [u64; 3];

/// Counters by queue, by the position of the queue in the list of the worker.
#[derive(Default)]
pub(crate) struct RunCounters(HashMap<usize, QueueCounters>);

#[derive(Default)]
struct QueueCounters {
    /// Runs by minute since 1970.
    minutes: HashMap<i64, CountsByResult>,
    handlers: HashMap<String, HandlerCounters>,
}

#[derive(Default)]
struct HandlerCounters {
    minutes: HashMap<i64, CountsByResult>,
    micros: u64,
    buckets: [u64; BUCKETS.len() + 1],
}

impl RunCounters {
    /// Counts a run of a handler that has ended in this minute since 1970.
    pub(crate) fn record(
        &mut self,
        (queue, handler): (usize, &str),
        result: RunResult,
        took: Duration,
        minute: i64,
    ) {
        let queue = self.0.entry(queue).or_default();
        queue.minutes.entry(minute).or_default()[result as usize] += 1;
        let handler = match queue.handlers.contains_key(handler) || queue.handlers.len() < MAX_HANDLERS {
            true => handler,
            false => "",
        };
        if !queue.handlers.contains_key(handler) {
            queue.handlers.insert(handler.to_owned(), HandlerCounters::default());
        }
        if let Some(handler) = queue.handlers.get_mut(handler) {
            handler.record(result, took, minute);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Commands that add the counts to the series in Redis. `names` are the queues of the worker.
    pub(crate) fn commands(&self, client: &Client, names: &[String]) -> Vec<RedisCommand> {
        let known = self.0.iter().filter_map(|(queue, counters)| Some((names.get(*queue)?, counters)));
        known.flat_map(|(name, counters)| counters.commands(client, name)).collect()
    }
}

impl QueueCounters {
    fn commands(&self, client: &Client, queue: &str) -> Vec<RedisCommand> {
        let mut handlers: Vec<(&String, &HandlerCounters)> = self.handlers.iter().collect();
        handlers.sort_unstable_by_key(|(name, _)| *name);
        let command = |(n, batch): (usize, &[(&String, &HandlerCounters)])| {
            let mut command = script_call(client, queue, batch);
            if n == 0 {
                command = with_counts(command, QUEUE_SERIES, &self.minutes);
            }
            for (at, (_, handler)) in batch.iter().enumerate() {
                command = handler.add_to(command, at + FIRST_HANDLER_SERIES);
            }
            command
        };
        handlers.chunks(HANDLERS_PER_CALL).enumerate().map(command).collect()
    }
}

impl HandlerCounters {
    fn record(&mut self, result: RunResult, took: Duration, minute: i64) {
        self.minutes.entry(minute).or_default()[result as usize] += 1;
        self.micros += u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|end| seconds <= *end).unwrap_or(BUCKETS.len());
        self.buckets[bucket] += 1;
    }

    fn add_to(&self, command: RedisCommand, series: usize) -> RedisCommand {
        let command = with_counts(command, series, &self.minutes);
        let command = command.arg(series).arg("time").arg(self.micros).arg(self.buckets.len());
        self.buckets.iter().fold(command, |command, runs| command.arg(runs))
    }
}

/// A call of the script with its keys and limits, before any counts.
fn script_call(client: &Client, queue: &str, handlers: &[(&String, &HandlerCounters)]) -> RedisCommand {
    let series: Vec<String> =
        handlers.iter().map(|(name, _)| client.keys.stats_handler(queue, name)).collect();
    let command = client.evalsha(&RecordStats {
        handlers: &client.keys.stats_handlers(queue),
        queue: &client.keys.stats(queue),
        others: &client.keys.stats_others(queue),
        series: &series.iter().map(String::as_str).collect::<Vec<_>>(),
        minutes: MINUTES,
        days: DAYS,
        ttl: SERIES_TTL.as_secs(),
        max_handlers: MAX_HANDLERS,
    });
    handlers.iter().fold(command, |command, (name, _)| command.arg(name))
}

fn with_counts(command: RedisCommand, series: usize, minutes: &HashMap<i64, CountsByResult>) -> RedisCommand {
    minutes.iter().fold(command, |command, (minute, counts)| {
        let command = command.arg(series).arg("count").arg(minute);
        counts.iter().fold(command, |command, count| command.arg(count))
    })
}
