//! What one worker has done since it last wrote it down.

use std::collections::HashMap;
use std::time::Duration;

use super::{BUCKETS, DAYS, HANDLERS, KEPT, MINUTES};
use crate::client::scripts::RECORD_STATS;
use crate::client::{Client, RedisCommand};

/// One script call has this many handlers at most.
const BATCH: usize = 50;

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RunResult {
    Finished,
    Failed,
    Retried,
}

type Counts = [u64; 3];

/// By queue, in the order of the worker's.
#[derive(Default)]
pub(crate) struct RunCounters(HashMap<usize, QueueCounters>);

#[derive(Default)]
struct QueueCounters {
    minutes: HashMap<i64, Counts>,
    handlers: HashMap<String, HandlerCounters>,
}

#[derive(Default)]
struct HandlerCounters {
    minutes: HashMap<i64, Counts>,
    micros: u64,
    buckets: [u64; BUCKETS.len() + 1],
}

impl RunCounters {
    /// A run of this handler has ended in this minute since 1970.
    pub(crate) fn record(
        &mut self,
        (queue, handler): (usize, &str),
        what: RunResult,
        took: Duration,
        minute: i64,
    ) {
        let queue = self.0.entry(queue).or_default();
        queue.minutes.entry(minute).or_default()[what as usize] += 1;
        let handler = match queue.handlers.contains_key(handler) || queue.handlers.len() < HANDLERS {
            true => handler,
            false => "",
        };
        if !queue.handlers.contains_key(handler) {
            queue.handlers.insert(handler.to_owned(), HandlerCounters::default());
        }
        let Some(handler) = queue.handlers.get_mut(handler) else { return };
        handler.minutes.entry(minute).or_default()[what as usize] += 1;
        handler.micros += u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|end| seconds <= *end).unwrap_or(BUCKETS.len());
        handler.buckets[bucket] += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What writes it down; `names` are those of the queues.
    pub(crate) fn commands(&self, client: &Client, names: &[String]) -> Vec<RedisCommand> {
        let known = self.0.iter().filter_map(|(queue, tally)| Some((names.get(*queue)?, tally)));
        known.flat_map(|(name, tally)| tally.commands(client, name)).collect()
    }
}

impl QueueCounters {
    fn commands(&self, client: &Client, queue: &str) -> Vec<RedisCommand> {
        let mut handlers: Vec<(&String, &HandlerCounters)> = self.handlers.iter().collect();
        handlers.sort_unstable_by_key(|(name, _)| *name);
        let mut calls = Vec::new();
        for (n, part) in handlers.chunks(BATCH).enumerate() {
            let mut keys = vec![
                client.keys.stats_handlers(queue),
                client.keys.stats(queue),
                client.keys.stats_others(queue),
            ];
            keys.extend(part.iter().map(|(name, _)| client.keys.stats_handler(queue, name)));
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let mut call = RedisCommand::evalsha(&RECORD_STATS, &keys)
                .arg(MINUTES)
                .arg(DAYS)
                .arg(KEPT.as_secs())
                .arg(HANDLERS);
            call = part.iter().fold(call, |call, (name, _)| call.arg(name));
            if n == 0 {
                call = counts(call, 2, &self.minutes);
            }
            for (at, (_, handler)) in part.iter().enumerate() {
                call = counts(call, at + 4, &handler.minutes);
                call = call.arg(at + 4).arg("time").arg(handler.micros).arg(handler.buckets.len());
                call = handler.buckets.iter().fold(call, |call, runs| call.arg(runs));
            }
            calls.push(call);
        }
        calls
    }
}

fn counts(call: RedisCommand, key: usize, minutes: &HashMap<i64, Counts>) -> RedisCommand {
    minutes.iter().fold(call, |call, (minute, counts)| {
        let call = call.arg(key).arg("count").arg(minute);
        counts.iter().fold(call, |call, count| call.arg(count))
    })
}
