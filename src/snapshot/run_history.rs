//! What was done, by minute and day, and how long it took.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::client::Client;
use crate::error::Result;
use crate::queue::all_queue_names;
use crate::stats::{self, BUCKETS, Counts};
use crate::wrong_type::WrongTypeKeys;

const MINUTES: i64 = 180;
const DAYS: i64 = 90;
/// More handlers are not shown.
const HANDLERS: usize = 500;

#[derive(Debug, Serialize)]
pub(crate) struct RunHistory {
    /// `None` for all of them.
    pub(crate) queue: Option<String>,
    pub(crate) minutes: Vec<Counts>,
    pub(crate) days: Vec<Counts>,
    pub(crate) handlers: Vec<HandlerView>,
    /// Ends of the buckets, in seconds.
    pub(crate) bounds: [f64; BUCKETS.len()],
    pub(crate) now: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
pub(crate) struct HandlerView {
    pub(crate) queue: String,
    pub(crate) handler: String,
    #[serde(flatten)]
    pub(crate) total: Counts,
    pub(crate) seconds: f64,
    pub(crate) buckets: [u64; BUCKETS.len() + 1],
}

pub(crate) fn fetch_run_history(client: &Client, queue: Option<&str>) -> Result<RunHistory> {
    let now = super::server_time(client)?;
    let minute = now.timestamp() / 60;
    let queues = match queue {
        Some(name) => vec![name.to_owned()],
        None => all_queue_names(client, &mut WrongTypeKeys::default())?,
    };
    let (mut minutes, mut days) = (Vec::new(), Vec::new());
    for queues in queues.chunks(super::BATCH) {
        for series in stats::fetch_series(client, queues)? {
            add_counts(&mut minutes, series.minutes(minute, MINUTES));
            add_counts(&mut days, series.days(minute / 1440, DAYS));
        }
    }
    let mut handlers = Vec::new();
    for queue in queues {
        for (handler, series) in stats::fetch_handler_series(client, &queue)? {
            let (total, seconds, buckets) = (series.total, series.seconds, series.buckets);
            handlers.push(HandlerView { queue: queue.clone(), handler, total, seconds, buckets });
        }
        if handlers.len() >= HANDLERS {
            break;
        }
    }
    handlers.truncate(HANDLERS);
    Ok(RunHistory { queue: queue.map(str::to_owned), minutes, days, handlers, bounds: BUCKETS, now })
}

/// Adds counts to those of the same moments.
pub(super) fn add_counts(all: &mut Vec<Counts>, more: Vec<Counts>) {
    if all.is_empty() {
        *all = more;
        return;
    }
    for (sum, one) in all.iter_mut().zip(more) {
        *sum = stats::sum(&[*sum, one]);
    }
}
