//! For tests of programs that use rq-rs.

use chrono::{DateTime, Utc};

use crate::cron::{Cron, CronScheduler, TickOutcome};
use crate::error::Result;
use crate::queue::Queue;

/// Cron entries with a clock that the test moves: nothing is waited for, and what is due is really enqueued.
///
/// ```no_run
/// # use chrono::{TimeZone, Utc};
/// use rq_rs::{Cron, NewJob, Queue, testing::CronClock};
///
/// # fn main() -> anyhow::Result<()> {
/// let queue = Queue::connect("redis://127.0.0.1/", "default")?;
/// let nightly = Cron::new("nightly", "0 3 * * *", NewJob::new("report", ())).tz("Europe/Berlin");
/// let mut clock = CronClock::new(&queue, [nightly])?;
/// assert_eq!(clock.turn_to(Utc.with_ymd_and_hms(2026, 7, 1, 0, 0, 0).unwrap())?.len(), 0);
/// assert_eq!(clock.turn_to(Utc.with_ymd_and_hms(2026, 7, 1, 1, 0, 0).unwrap())?.len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct CronClock {
    ticker: CronScheduler,
}

impl CronClock {
    /// The entries on the queue's server. Several with the same entries share their ticks, as workers do.
    ///
    /// # Errors
    /// The first entry that is not in order.
    pub fn new(queue: &Queue, entries: impl IntoIterator<Item = Cron>) -> Result<Self> {
        let (ticker, wrong) = CronScheduler::new(queue.client(), entries.into_iter().collect());
        match wrong.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(CronClock { ticker }),
        }
    }

    /// Now it is this moment, which is not before the last one: enqueues what is due, and returns the ids.
    ///
    /// # Errors
    /// As [`Queue::enqueue`].
    pub fn turn_to(&mut self, moment: DateTime<Utc>) -> Result<Vec<String>> {
        let now = moment.timestamp_millis() as f64 / 1000.0;
        self.ticker.sync(now)?;
        let id = |ticked| match ticked {
            TickOutcome::Enqueued { id, .. } => Some(id),
            TickOutcome::Skipped { .. } => None,
        };
        Ok(self.ticker.run_due(now, Some(now))?.into_iter().filter_map(id).collect())
    }
}
