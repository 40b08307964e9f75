//! The loop that enqueues the jobs of cron entries: a thread of a worker, or `rq-rs cron FILE` without a worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chrono::Utc;

use super::background::BackgroundThread;
use super::event::Event;
use super::event_bus::EventBus;
use super::options::Options;
use super::registration::hostname;
use crate::client::Client;
use crate::cron::registration::{self, CronSchedulerInfo};
use crate::cron::{Cron, CronScheduler, TickOutcome};
use crate::error::{Error, Result};
use crate::printable::ShortLine;

/// Interval at which the loop fetches how far other workers are with each entry. (The script sees whether an entry
/// is paused.)
const SYNC_INTERVAL: Duration = Duration::from_secs(20);
/// Interval at which the loop publishes its record: RQ's heartbeat of cron schedulers.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(60);
/// Shortest pause after an error; the longest is twice as long.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The cron entries of a worker or of `rq-rs cron`.
#[derive(Default)]
pub(crate) struct CronEntries {
    pub(crate) entries: Vec<Cron>,
    /// `true` if invalid entries are left out, with a warning, instead of being an error.
    pub(crate) is_lenient: bool,
}

impl CronEntries {
    /// The scheduler of the valid entries. Emits a warning for each entry that is left out.
    ///
    /// # Errors
    /// The error of the first invalid entry, unless `is_lenient`.
    pub(crate) fn into_scheduler(self, client: &Arc<Client>, events: &EventBus) -> Result<CronScheduler> {
        let (scheduler, mut invalid) = CronScheduler::new(client, self.entries);
        let first_error = (!self.is_lenient && !invalid.is_empty()).then(|| invalid.remove(0));
        invalid.iter().for_each(|error| events.emit(&Event::Warning(error.to_string())));
        first_error.map_or(Ok(scheduler), Err)
    }
}

/// Starts the thread of a worker that has entries.
pub(super) fn start(
    client: &Arc<Client>,
    options: &Options,
    scheduler: CronScheduler,
    events: &EventBus,
) -> Option<BackgroundThread> {
    let mut cron_loop = CronLoop::new(client, &options.name, "", scheduler, events)?;
    // A burst worker may end soon: its entries that are due come first.
    if options.burst
        && let Err(error) = cron_loop.step()
    {
        cron_loop.on_error(error);
    }
    Some(BackgroundThread::start("rq-rs cron", move |stop| cron_loop.run(stop)))
}

/// Enqueues the jobs of cron entries when they are due.
pub(crate) struct CronLoop {
    client: Arc<Client>,
    events: EventBus,
    info: CronSchedulerInfo,
    scheduler: CronScheduler,
    synced_at: Option<Instant>,
    published_at: Option<Instant>,
    /// `true` if the last tick failed.
    has_failed: bool,
    /// Problems of entries that were reported, by the entry's name.
    reported_problems: BTreeMap<String, String>,
}

impl CronLoop {
    /// The loop; `None` without an entry.
    fn new(
        client: &Arc<Client>,
        name: &str,
        config_file: &str,
        scheduler: CronScheduler,
        events: &EventBus,
    ) -> Option<Self> {
        let info = CronSchedulerInfo {
            name: name.to_owned(),
            hostname: hostname(),
            created_at: Utc::now(),
            config_file: config_file.to_owned(),
        };
        (!scheduler.entries.is_empty()).then(|| CronLoop {
            client: Arc::clone(client),
            events: events.clone(),
            info,
            scheduler,
            synced_at: None,
            published_at: None,
            has_failed: false,
            reported_problems: BTreeMap::new(),
        })
    }

    /// A loop without a worker, with a name as RQ's cron schedulers have.
    #[cfg(feature = "cli")]
    pub(crate) fn standalone(
        client: &Arc<Client>,
        config_file: &str,
        entries: CronEntries,
    ) -> Result<Option<Self>> {
        let events = EventBus::default();
        let scheduler = entries.into_scheduler(client, &events)?;
        let (host, pid, random) = (hostname(), std::process::id(), fastrand::u32(0..1 << 24));
        Ok(Self::new(client, &format!("{host}:{pid}:{random:06x}"), config_file, scheduler, &events))
    }

    /// The name of the scheduler, and its number of entries.
    #[cfg(feature = "cli")]
    pub(crate) fn describe(&self) -> (&str, usize) {
        (&self.info.name, self.scheduler.entries.len())
    }

    /// Runs until the sender of `stop` is dropped.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        loop {
            let wait = match self.step() {
                Ok(wait) => {
                    self.has_failed = false;
                    wait
                }
                Err(error) => self.on_error(error),
            };
            if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        // If this fails, the record expires.
        let _ = registration::deregister(&self.client, &self.info.name);
    }

    /// Enqueues the jobs that are due. Returns the time until the next tick.
    fn step(&mut self) -> Result<Duration> {
        let (now, fetched_at) = (self.client.server_time()?, Instant::now());
        if self.synced_at.is_none_or(|at| at.elapsed() >= SYNC_INTERVAL) {
            self.scheduler.sync(now)?;
            self.synced_at = Some(Instant::now());
        }
        let outcomes = self.scheduler.run_due(now, None)?;
        if !outcomes.is_empty() || self.published_at.is_none_or(|at| at.elapsed() >= PUBLISH_INTERVAL) {
            registration::publish(&self.client, &self.info, &self.scheduler, now)?;
            self.published_at = Some(Instant::now());
        }
        self.report_problems();
        for outcome in outcomes {
            self.events.emit(&match outcome {
                TickOutcome::Enqueued { entry, id } => Event::Ticked { entry, id },
                TickOutcome::Skipped { entry } => Event::TickSkipped { entry },
            });
        }
        let next = Duration::from_secs_f64(
            self.scheduler.seconds_until_next(now + fetched_at.elapsed().as_secs_f64()),
        );
        Ok(next.min(SYNC_INTERVAL))
    }

    /// Emits a warning for each entry with a new problem.
    fn report_problems(&mut self) {
        let problems = self.scheduler.problems();
        let is_new = |name: &String, problem: &String| self.reported_problems.get(name) != Some(problem);
        for (name, problem) in problems.iter().filter(|(name, problem)| is_new(name, problem)) {
            self.events.emit(&Event::Warning(format!("cron {}: {problem}", ShortLine(name))));
        }
        self.reported_problems = problems.clone();
    }

    /// Reports the first error of an outage. Returns the pause until the next tick.
    fn on_error(&mut self, error: Error) -> Duration {
        // Other workers may have enqueued jobs meanwhile.
        self.synced_at = None;
        if !std::mem::replace(&mut self.has_failed, true) {
            self.events.emit(&Event::Warning(format!("cron: {error}")));
        }
        RETRY_DELAY.mul_f64(1.0 + fastrand::f64())
    }
}
