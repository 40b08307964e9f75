//! Helpers for tests of programs that use rq-rs.

use chrono::{DateTime, Utc};

use crate::cron::{Cron, CronScheduler, TickOutcome};
use crate::error::Result;
use crate::queue::Queue;

/// A cron scheduler whose clock the test moves, so that no test waits. Due jobs are enqueued in Redis, as a worker
/// does it.
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
    scheduler: CronScheduler,
}

impl CronClock {
    /// Creates a scheduler of these entries, on the server and in the deployment of `queue`. Several clocks with the
    /// same entries share their ticks, as workers do: each tick enqueues one job.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for the first entry that is not valid.
    pub fn new(queue: &Queue, entries: impl IntoIterator<Item = Cron>) -> Result<Self> {
        let (scheduler, invalid) = CronScheduler::new(queue.client(), entries.into_iter().collect());
        match invalid.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(CronClock { scheduler }),
        }
    }

    /// Sets the clock to `moment`, which must not be earlier than the last one, enqueues the due jobs, and returns
    /// their ids.
    ///
    /// # Errors
    /// The errors of [`Queue::enqueue`].
    pub fn turn_to(&mut self, moment: DateTime<Utc>) -> Result<Vec<String>> {
        let now = moment.timestamp_millis() as f64 / 1000.0;
        self.scheduler.sync(now)?;
        let id = |outcome| match outcome {
            TickOutcome::Enqueued { id, .. } => Some(id),
            TickOutcome::Skipped { .. } => None,
        };
        Ok(self.scheduler.run_due(now, Some(now))?.into_iter().filter_map(id).collect())
    }
}
