//! The thread that keeps a worker's cron entries; `rq-rs cron FILE` has it without a worker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chrono::Utc;

use super::background::BackgroundThread;
use super::event::{Event, EventBus};
use super::options::Options;
use crate::client::Client;
use crate::cron::records::{self, SchedulerInfo};
use crate::cron::{Cron, CronScheduler, TickOutcome};
use crate::error::{Error, Result};
use crate::printable::ShortLine;
use crate::server_info;

/// How often it looks what other workers have done, or people have paused.
const SYNC_INTERVAL: Duration = Duration::from_secs(20);
/// RQ's heartbeat of schedulers.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(60);
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The entries that a worker, or `rq-rs cron`, is given.
#[derive(Default)]
pub(crate) struct CronEntries {
    pub(crate) entries: Vec<Cron>,
    /// Whether it goes on without those that are not in order.
    pub(crate) is_lenient: bool,
}

impl CronEntries {
    /// What keeps them. What is wrong with those that are left out is told.
    ///
    /// # Errors
    /// That of the first entry that is not in order, unless that is allowed.
    pub(crate) fn ticker(self, client: &Arc<Client>, listener: &EventBus) -> Result<CronScheduler> {
        let (ticker, mut wrong) = CronScheduler::new(client, self.entries);
        let refusal = (!self.is_lenient && !wrong.is_empty()).then(|| wrong.remove(0));
        wrong.iter().for_each(|error| listener.emit(&Event::Warning(error.to_string())));
        refusal.map_or(Ok(ticker), Err)
    }
}

impl super::Worker {
    /// Enqueues the entry's jobs when they are due, to whichever queue it names. Any number of workers may have the
    /// same entry: one tick is one job.
    pub fn cron(mut self, entry: Cron) -> Self {
        self.crons.entries.push(entry);
        self
    }

    /// Whether it goes on without cron entries that are not in order: a bad schedule, a time zone that this machine
    /// does not know. Each is an [`Event::Warning`]. Default: [`run`](Self::run) refuses to begin.
    pub fn cron_lenient(mut self, is_lenient: bool) -> Self {
        self.crons.is_lenient = is_lenient;
        self
    }
}

/// A thread for a worker that has entries.
pub(super) fn start(
    client: &Arc<Client>,
    options: &Options,
    ticker: CronScheduler,
    listener: &EventBus,
) -> Option<BackgroundThread> {
    let mut keeper = CronLoop::new(client, &options.name, "", ticker, listener)?;
    // One that ends when nothing is left does first what is due now.
    if options.burst
        && let Err(error) = keeper.tick()
    {
        keeper.on_error(error);
    }
    Some(BackgroundThread::start("rq-rs cron", move |stop| keeper.run(stop)))
}

/// Keeps entries.
pub(crate) struct CronLoop {
    client: Arc<Client>,
    events: EventBus,
    scheduler: SchedulerInfo,
    ticker: CronScheduler,
    synced_at: Option<Instant>,
    published_at: Option<Instant>,
    is_away: bool,
    /// What was told of entries that cannot go on.
    reported_problems: BTreeMap<String, String>,
}

impl CronLoop {
    /// `None` without an entry.
    fn new(
        client: &Arc<Client>,
        name: &str,
        config_file: &str,
        ticker: CronScheduler,
        listener: &EventBus,
    ) -> Option<Self> {
        let scheduler = SchedulerInfo {
            name: name.to_owned(),
            hostname: super::heartbeat::hostname(),
            created_at: Utc::now(),
            config_file: config_file.to_owned(),
        };
        (!ticker.entries.is_empty()).then(|| CronLoop {
            client: Arc::clone(client),
            events: listener.clone(),
            scheduler,
            ticker,
            synced_at: None,
            published_at: None,
            is_away: false,
            reported_problems: BTreeMap::new(),
        })
    }

    /// One without a worker, named as RQ names them.
    #[cfg(feature = "cli")]
    pub(crate) fn standalone(
        client: &Arc<Client>,
        config_file: &str,
        crons: CronEntries,
    ) -> Result<Option<Self>> {
        let listener = EventBus::default();
        let ticker = crons.ticker(client, &listener)?;
        let (host, pid, dice) = (super::heartbeat::hostname(), std::process::id(), fastrand::u32(0..1 << 24));
        Ok(Self::new(client, &format!("{host}:{pid}:{dice:06x}"), config_file, ticker, &listener))
    }

    /// Its name, and how many entries it keeps.
    #[cfg(feature = "cli")]
    pub(crate) fn describe(&self) -> (&str, usize) {
        (&self.scheduler.name, self.ticker.entries.len())
    }

    /// Until the receiver is cut off.
    pub(crate) fn run(mut self, stop: &Receiver<()>) {
        loop {
            let wait = match self.tick() {
                Ok(wait) => {
                    self.is_away = false;
                    wait
                }
                Err(error) => self.on_error(error),
            };
            if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        // Else its record ends by itself.
        let _ = records::deregister(&self.client, &self.scheduler.name);
    }

    /// Does what is due, and returns how long there is nothing to do.
    fn tick(&mut self) -> Result<Duration> {
        let (now, since) = (server_info::fetch_time(&self.client)?, Instant::now());
        if self.synced_at.is_none_or(|at| at.elapsed() >= SYNC_INTERVAL) {
            self.ticker.sync(now)?;
            self.synced_at = Some(Instant::now());
        }
        let ticked = self.ticker.run_due(now, None)?;
        if !ticked.is_empty() || self.published_at.is_none_or(|at| at.elapsed() >= PUBLISH_INTERVAL) {
            records::publish(&self.client, &self.scheduler, &self.ticker, now)?;
            self.published_at = Some(Instant::now());
        }
        let troubles = self.ticker.problems();
        for (name, what) in
            troubles.iter().filter(|(name, what)| self.reported_problems.get(*name) != Some(*what))
        {
            self.events.emit(&Event::Warning(format!("cron {}: {what}", ShortLine(name))));
        }
        self.reported_problems = troubles.clone();
        for tick in ticked {
            self.events.emit(&match tick {
                TickOutcome::Enqueued { entry, id } => Event::Ticked { entry, id },
                TickOutcome::Skipped { entry } => Event::TickSkipped { entry },
            });
        }
        let next =
            Duration::from_secs_f64(self.ticker.seconds_until_next(now + since.elapsed().as_secs_f64()));
        Ok(next.min(SYNC_INTERVAL))
    }

    fn on_error(&mut self, error: Error) -> Duration {
        // Others may have gone on meanwhile.
        self.synced_at = None;
        if !std::mem::replace(&mut self.is_away, true) {
            self.events.emit(&Event::Warning(format!("cron: {error}")));
        }
        RETRY_DELAY.mul_f64(1.0 + fastrand::f64())
    }
}
