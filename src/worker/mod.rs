//! A worker: threads around the driver's loop. [`Worker::run`] starts the threads, waits for the driver, and stops
//! them. The loop is in `driver`, and its rules are in `engine`.
//!
//! | thread | connections to Redis | task |
//! |---|---|---|
//! | driver | one | the loop: gives the engine what happens, and does what the engine says |
//! | I/O threads | the same | send the driver's exchanges while jobs run |
//! | watcher, one per queue | one each, while idle | wait for the next push |
//! | slots | none | run handlers |
//! | heartbeat | one | renews the worker's record and the leases |
//! | maintenance | one | due jobs, lost jobs, old entries |
//! | cron | one | enqueues the jobs of cron entries; only with entries |
//! | commands | one | receives RQ's commands: shutdown, stop a job |

mod accounting;
mod background;
mod builder;
mod commands;
mod context;
#[cfg(feature = "cron")]
pub(crate) mod cron_loop;
mod driver;
mod engine;
mod event;
mod event_bus;
mod exchange_codec;
mod executor;
mod file_limit;
mod handlers;
mod heartbeat;
mod horse_main;
mod input;
mod io_threads;
mod lost_claim_reader;
mod maintenance;
mod memory;
mod options;
mod outcome_limits;
mod panics;
mod phase;
mod processes;
mod registration;
mod run;
#[cfg(test)]
mod simulation;
mod state;
mod stop;
mod summary;
mod thread_pool;
mod watchers;

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

pub use builder::Worker;
pub use context::Context;
pub use event::Event;
pub use handlers::Handlers;
pub use options::Run;
pub use stop::Stopper;
pub use summary::Summary;

use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::job::check_worker_name;
use background::{BackgroundThread, spawn_signal_masked};
use driver::{Driver, WorkerShared};
use executor::Executor;
use input::Input;
use state::WorkerState;

impl Worker {
    /// Runs jobs until the worker is stopped, or its options say that it is done.
    ///
    /// # Errors
    /// [`Error::Invalid`] without any handler or with an invalid cron entry, [`Error::Unsupported`] for a
    /// Redis server that is too old, [`Error::NameTaken`] when another worker has the same name,
    /// [`Error::BrokerLost`] when Redis stayed away for too long.
    pub fn run(mut self) -> Result<Summary> {
        self.options.lease.get_or_insert(self.client.dialect.lease);
        self.check_options()?;
        let Worker { client, options, handlers, mut events, stopper, on_healthy, .. } = self;
        let has_processes = options.is_isolated || handlers.has_programs();
        let warning = file_limit::raise(&options, has_processes)?;
        warning.into_iter().for_each(|warning| events.emit(&Event::Warning(warning)));
        #[cfg(feature = "cron")]
        let scheduler = self.cron_entries.into_scheduler(&client, &events)?;
        crate::server_info::check_supported(&client, &mut |warning| events.emit(&Event::Warning(warning)))?;
        panics::install_panic_hook();
        let queues: Vec<QueueKeys> = options.queues.iter().map(|name| client.keys.queue(name)).collect();
        let (inbox, inputs) = mpsc::channel::<Input>();
        stopper.attach(inbox.clone());
        let state = Arc::new(WorkerState::new(registration::static_fields(&client, &options)));
        let counters = Arc::clone(&state);
        events.subscribe(Box::new(move |event| counters.record_event(event)));
        let executor = Executor::new(handlers, &options);
        let options = Arc::new(options);
        let worker = WorkerShared { client, options, queues, events, stopper, state, on_healthy };
        let threads = Threads::start(&worker, &inbox)?;
        #[cfg(feature = "cron")]
        let cron = cron_loop::start(&worker.client, &worker.options, scheduler, &worker.events);
        let driver = Driver::new(worker, executor, (inbox, inputs));
        let summary = spawn_signal_masked("rq-rs driver", move || driver.run()).join();
        #[cfg(feature = "cron")]
        cron.into_iter().for_each(BackgroundThread::stop);
        threads.stop();
        summary.unwrap_or_else(|_| {
            Err(Error::Corrupt { what: "the worker's loop panicked; this is a bug of rq-rs".to_owned() })
        })
    }

    fn check_options(&self) -> Result<()> {
        if self.handlers.is_empty() {
            return Err(Error::invalid(
                "the worker has no handlers: every job would fail",
                self.client.dialect.handlers_hint,
            ));
        }
        if self.options.is_isolated && !horse_main::can_be_work_horse() {
            return Err(Error::invalid(
                "this program cannot start work horses: it would run as a whole in each of them",
                "let main begin with Handlers::serve_if_horse, or with App::main",
            ));
        }
        check_worker_name(&self.options.name)
    }
}

/// The threads that every worker has beside the driver.
struct Threads {
    heartbeat: BackgroundThread,
    commands: BackgroundThread,
    maintenance: BackgroundThread,
}

impl Threads {
    /// Registers the worker in Redis and starts the threads.
    fn start(worker: &WorkerShared, inbox: &Sender<Input>) -> Result<Self> {
        let WorkerShared { client, options, queues, events, stopper, state, .. } = worker;
        Ok(Threads {
            heartbeat: heartbeat::start(client, options, queues, state, inbox.clone())?,
            commands: commands::start(client, options, stopper, inbox),
            maintenance: maintenance::start(client, options, queues, state, events),
        })
    }

    /// Stops the threads; the heartbeat is last, because it removes the worker's record. The command listener
    /// ends by itself: nothing depends on its end.
    fn stop(self) {
        self.maintenance.stop();
        drop(self.commands);
        self.heartbeat.stop();
    }
}
