//! Past runs by minute and day, and their durations by handler.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::queues::QUEUES_PER_BATCH;
use crate::client::Client;
use crate::error::Result;
use crate::queue::all_queue_names;
use crate::stats::{self, BUCKETS, Counts, DAYS, MINUTES};
use crate::wrong_type::WrongTypeKeys;

/// Largest number of handlers.
const MAX_HANDLERS: usize = 500;

/// Runs of one queue or of all queues.
#[derive(Debug, Serialize)]
pub(crate) struct RunHistory {
    /// `None` for all queues.
    pub(crate) queue: Option<String>,
    /// Runs that ended in each of the last 180 minutes; the current minute is the last one.
    pub(crate) minutes: Vec<Counts>,
    /// Runs that ended on each of the last 90 days in UTC; the current day is the last one.
    pub(crate) days: Vec<Counts>,
    pub(crate) handlers: Vec<HandlerView>,
    /// Upper ends of the buckets in seconds.
    pub(crate) bounds: [f64; BUCKETS.len()],
    /// Redis' clock.
    pub(crate) now: DateTime<Utc>,
}

/// All runs of a handler from one queue.
#[derive(Debug, Serialize)]
pub(crate) struct HandlerView {
    pub(crate) queue: String,
    pub(crate) handler: String,
    #[serde(flatten)]
    pub(crate) total: Counts,
    /// Seconds that all runs took together.
    pub(crate) seconds: f64,
    /// Runs by duration: up to each of [`BUCKETS`], and longer.
    pub(crate) buckets: [u64; BUCKETS.len() + 1],
}

/// Fetches the runs of a queue, or of all queues.
pub(crate) fn fetch_run_history(client: &Client, queue: Option<&str>) -> Result<RunHistory> {
    let now = client.server_now()?;
    let minute = now.timestamp() / 60;
    let queues = match queue {
        Some(name) => vec![name.to_owned()],
        None => all_queue_names(client, &mut WrongTypeKeys::default())?,
    };
    let (mut minutes, mut days) = (Vec::new(), Vec::new());
    for queues in queues.chunks(QUEUES_PER_BATCH) {
        for series in stats::fetch_series(client, queues)? {
            stats::add_each(&mut minutes, series.minutes(minute, MINUTES));
            stats::add_each(&mut days, series.days(minute / 1440, DAYS));
        }
    }
    let handlers = fetch_handlers(client, queues)?;
    Ok(RunHistory { queue: queue.map(str::to_owned), minutes, days, handlers, bounds: BUCKETS, now })
}

fn fetch_handlers(client: &Client, queues: Vec<String>) -> Result<Vec<HandlerView>> {
    let mut handlers = Vec::new();
    for queue in queues {
        for (handler, series) in stats::fetch_handler_series(client, &queue)? {
            let (total, seconds, buckets) = (series.total, series.seconds, series.buckets);
            handlers.push(HandlerView { queue: queue.clone(), handler, total, seconds, buckets });
        }
        if handlers.len() >= MAX_HANDLERS {
            break;
        }
    }
    handlers.truncate(MAX_HANDLERS);
    Ok(handlers)
}
