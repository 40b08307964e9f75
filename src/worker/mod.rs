//! A worker: threads around one loop. `start → wait → stop` is told here; the loop is in
//! `dispatch`.
//!
//! | thread | talks to Redis | does |
//! |---|---|---|
//! | dispatcher | one connection | the loop: claims, hands out, decides, finishes |
//! | wire | the same | carries what the dispatcher sends, while jobs run |
//! | watcher, one for each queue | one each, while idle | waits for the next push |
//! | slots | never | run handlers |
//! | heartbeat | one | renews the record and the leases |
//! | care | one | duties: due jobs, old entries |
//! | cron | one | enqueues what entries are due; only with entries |
//! | commands | one | hears RQ's commands: shutdown, stop a job |

mod background;
mod commands;
mod context;
#[cfg(feature = "cron")]
pub(crate) mod cron;
mod dispatch;
mod event;
mod file_limit;
mod handlers;
mod heartbeat;
mod io_threads;
mod maintenance;
mod message;
mod options;
mod outbox;
mod panics;
mod processes;
mod reconnect;
mod stop;
mod summary;
mod thread_pool;
mod watchers;

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use context::Context;
pub use event::Event;
pub use handlers::Handlers;
pub use stop::Stopper;
pub use summary::Summary;

use crate::client::{Client, RedisCommand};
use crate::dialect::{Dialect, QueueKeys};
use crate::error::{Error, Result};
use crate::job::{MAX_DELAY, Retry, Ttl, check_queue_name, check_worker_name};
use crate::redis::Timeouts;
use background::{BackgroundThread, spawn_signal_masked};
use dispatch::Dispatcher;
use event::EventBus;
use heartbeat::WorkerState;
use message::Message;
pub(crate) use options::Options;
pub use options::Run;

/// Runs jobs of one or more queues with the handlers it was given.
///
/// ```no_run
/// use rq_rs::{Context, Worker};
///
/// fn main() -> anyhow::Result<()> {
///     Worker::connect("redis://127.0.0.1/", ["high", "default"])?
///         .handler("add", |_: &Context, (a, b): (i64, i64)| Ok(a + b))
///         .concurrency(4)
///         .run()?;
///     Ok(())
/// }
/// ```
#[must_use = "a worker does nothing until it is run"]
pub struct Worker {
    client: Arc<Client>,
    options: Options,
    handlers: Handlers,
    events: EventBus,
    stopper: Stopper,
    on_healthy: Box<dyn Fn() + Send>,
    #[cfg(feature = "cron")]
    crons: cron::CronEntries,
}

impl Worker {
    /// A worker for these queues: a job of an earlier queue goes before any job of a later one.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad URL, a bad name or no queue at all;
    /// [`Error::Unreachable`], [`Error::Denied`].
    pub fn connect<Q: Into<String>>(url: &str, queues: impl IntoIterator<Item = Q>) -> Result<Self> {
        let queues: Vec<String> = queues.into_iter().map(Into::into).collect();
        queues.iter().try_for_each(|name| check_queue_name(name))?;
        Self::on(&Client::connect(url)?, queues)
    }

    /// For queues whose names have been checked.
    pub(crate) fn on(client: &Arc<Client>, queues: Vec<String>) -> Result<Self> {
        if queues.is_empty() {
            return Err(Error::invalid("a worker needs a queue", "name at least one, as in \"default\""));
        }
        let mut unique = queues;
        let mut seen = std::collections::HashSet::new();
        unique.retain(|name| seen.insert(name.clone()));
        Ok(Worker {
            client: client.with_timeouts(Timeouts::WORKER),
            options: Options::new(unique),
            handlers: Handlers::default(),
            events: EventBus::default(),
            stopper: Stopper::default(),
            on_healthy: Box::new(|| {}),
            #[cfg(feature = "cron")]
            crons: cron::CronEntries::default(),
        })
    }

    /// The same worker in another dialect; see [`Queue::dialect`](crate::Queue::dialect).
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.client = self.client.with_dialect(dialect);
        self
    }

    /// The same worker under another key prefix; see [`Queue::prefix`](crate::Queue::prefix).
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn prefix(mut self, prefix: &str) -> Result<Self> {
        self.client = self.client.with_prefix(prefix)?;
        Ok(self)
    }

    /// Runs jobs of this name with this function. Its second argument decides what fits: a tuple
    /// takes positional arguments, a struct takes keywords (or positions in the order of its
    /// fields), `()` takes nothing, anything else takes one argument.
    ///
    /// What it returns is the job's result. An error fails the job, or has it tried again where the
    /// job has a [`Retry`](crate::Retry) policy or the error says so ([`Retry::later`](crate::Retry::later),
    /// [`GiveUp`](crate::GiveUp)); a panic is caught and is an error.
    pub fn handler<T, R, F>(mut self, name: impl Into<String>, function: F) -> Self
    where
        T: DeserializeOwned,
        R: Serialize,
        F: Fn(&Context, T) -> anyhow::Result<R> + Send + Sync + 'static,
    {
        self.handlers.add_function(name.into(), function);
        self
    }

    /// Runs jobs of this name with a command, `*` for every name that has no handler. The command
    /// is split like shell words, but no shell runs. The job comes as one JSON object on standard
    /// input (`id queue handler args kwargs attempt meta deadline`), standard output is the result
    /// (JSON if it parses, else text in UTF-8), standard error is kept with a job that fails. Exit code 0
    /// finishes, 75 asks for a retry, anything else or a signal fails the job; past its timeout the
    /// whole process group gets TERM, and five seconds later KILL.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the command cannot be split or its program is not found.
    pub fn exec(mut self, name: impl Into<String>, command: &str) -> Result<Self> {
        self.handlers.add_command(name.into(), command)?;
        Ok(self)
    }

    /// Runs jobs of this name with a command that stays alive and takes one line of JSON for each job on
    /// its standard input (as for [`exec`](Self::exec), and `serializer` and `data`, the payload in base64).
    /// It answers with one line: `{"ok": value}`, or `{"data": base64}` with a result as the job's serializer writes it, or
    /// `{"error": text, "retry_in": seconds}`; without `retry_in` the job's own policy decides, below zero there is no retry. `{"again_in": seconds}` asks to be called
    /// again later, in a second at the earliest, and counts as no failure.
    /// What it writes to standard error is kept with the job.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the command cannot be split or its program is not found.
    pub fn exec_server(mut self, name: impl Into<String>, command: &str) -> Result<Self> {
        self.handlers.add_server(name.into(), command)?;
        Ok(self)
    }

    /// Where functions run. Default: [`Run::Threads`].
    pub fn isolate(mut self, run: Run) -> Self {
        self.options.is_isolated = run == Run::Processes;
        self
    }

    /// How many jobs a work horse, or a process of [`exec_server`](Self::exec_server), runs before another one
    /// takes its place; 0 for no limit. Default: 1000.
    pub fn horse_max_jobs(mut self, jobs: u32) -> Self {
        self.options.horse_max_jobs = (jobs > 0).then_some(jobs);
        self
    }

    /// How many bytes of memory a work horse may have (its address space, `RLIMIT_AS`): what asks for more
    /// aborts, and only its job fails. Linux only: macOS accepts the limit and does not keep it. Default: no limit.
    pub fn horse_memory(mut self, bytes: u64) -> Self {
        self.options.horse_memory = Some(bytes);
        self
    }

    /// A work horse that had more bytes than this resident is replaced after its job. Default: no limit.
    pub fn horse_recycle(mut self, bytes: u64) -> Self {
        self.options.horse_recycle = Some(bytes);
        self
    }

    /// How long a process has to end by itself after its TERM, until it is killed. Default: 5 s.
    pub fn kill_after(mut self, delay: Duration) -> Self {
        self.options.kill_after = delay.min(MAX_DELAY);
        self
    }

    /// These handlers, instead of those it has.
    pub fn handlers(mut self, handlers: Handlers) -> Self {
        self.handlers = handlers;
        self
    }

    /// How many jobs run at once, at least 1. Default: the number of cores.
    pub fn concurrency(mut self, slots: usize) -> Self {
        self.options.concurrency = slots.max(1);
        self
    }

    /// Its name in lists and logs. Default: 32 random hex digits.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = name.into();
        self
    }

    /// Ends when no job is left to start. Default: waits for more.
    pub fn burst(mut self, burst: bool) -> Self {
        self.options.burst = burst;
        self
    }

    /// Ends after it has started this many jobs. Default: never.
    pub fn max_jobs(mut self, jobs: u64) -> Self {
        self.options.max_jobs = Some(jobs);
        self
    }

    /// Ends when it had nothing to do for this long. Default: never.
    pub fn max_idle_time(mut self, idle: Duration) -> Self {
        self.options.max_idle_time = Some(idle.min(MAX_DELAY));
        self
    }

    /// How long results are kept of jobs that do not say. Default: 500 s.
    pub fn result_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.options.result_ttl = ttl.into();
        self
    }

    /// How long failures are kept of jobs that do not say. Default: one year.
    pub fn failure_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.options.failure_ttl = ttl.into();
        self
    }

    /// How many finished jobs of each queue are kept, those that would expire last; what is to be kept for ever is.
    /// Default: no limit but their time.
    pub fn keep_finished(mut self, jobs: u64) -> Self {
        self.options.keep_finished = Some(jobs);
        self
    }

    /// The same for failed jobs.
    pub fn keep_failed(mut self, jobs: u64) -> Self {
        self.options.keep_failed = Some(jobs);
        self
    }

    /// A job whose result is more than this many bytes of JSON fails. Default: 1 MiB; more than 16 MiB fail
    /// whatever it is, and so do a million parts or a depth of 200, because nobody would read them.
    pub fn max_result(mut self, bytes: usize) -> Self {
        self.options.max_result = bytes;
        self
    }

    /// How long its record outlives its last heartbeat, in whole seconds. Default: 420 s (and 60 s more, as in RQ); at least
    /// 30 s.
    pub fn worker_ttl(mut self, ttl: Duration) -> Self {
        self.options.worker_ttl = ttl.clamp(Duration::from_secs(30), MAX_DELAY);
        self
    }

    /// How often in a row it tries to reach a lost Redis before it gives up, with delays that grow
    /// from 0.1 s to 30 s. Default: 100; 0 for ever.
    pub fn broker_max_retries(mut self, tries: u32) -> Self {
        self.options.broker_max_retries = tries;
        self
    }

    /// How long a job stays with a worker that gives no sign of life, before another one takes it
    /// over. Renewed while the worker lives. Default: 30 s, 45 s in RQ's dialect; at least 1 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.options.lease = Some(lease.clamp(Duration::from_secs(1), MAX_DELAY));
        self
    }

    /// How often it looks for jobs of lost workers. Default: 15 s; at least 0.1 s.
    pub fn recover_interval(mut self, interval: Duration) -> Self {
        self.options.recover_interval = interval.clamp(Duration::from_millis(100), MAX_DELAY);
        self
    }

    /// A job that was lost this often with its worker fails instead of running again: it may be
    /// what kills them. Default: 3, at least 1. Not counted as the job's retries.
    pub fn max_deliveries(mut self, most: u32) -> Self {
        self.options.max_deliveries = most.max(1);
        self
    }

    /// What happens when a job fails that has no policy of its own: this one becomes its own. Default: it
    /// goes to the failed registry.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// The same for the jobs of one handler.
    pub fn handler_retry(mut self, handler: impl Into<String>, retry: Retry) -> Self {
        self.options.handler_retry.insert(handler.into(), retry);
        self
    }

    /// How long jobs of this handler may run that have RQ's usual 180 s, in whole seconds (rounded up).
    pub fn handler_timeout(mut self, handler: impl Into<String>, timeout: Duration) -> Self {
        self.options.handler_timeout.insert(handler.into(), timeout);
        self
    }

    /// How many jobs of this handler run at once in this worker, at least 1; of each other handler with `*`. One
    /// above it stays at the head of its queue, and those behind it wait with it; other queues go on.
    pub fn handler_concurrency(mut self, handler: impl Into<String>, most: usize) -> Self {
        self.options.handler_concurrency.insert(handler.into(), most.max(1));
        self
    }

    /// Hears everything the worker does, in order; for tests, logs and metrics. Called on the
    /// worker's own threads: be quick, or hand the event to a channel.
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.events.add(Box::new(listener));
        self
    }

    /// Called about once a second while all is well: fetching goes on, or every slot is busy. Silent
    /// while Redis is away or does not answer. For watchdogs and probes.
    pub fn on_healthy(mut self, tell: impl Fn() + Send + 'static) -> Self {
        self.on_healthy = Box::new(tell);
        self
    }

    /// How long jobs that run may go on after a stop, before they are put back at the head of their
    /// queue without counting an attempt. Default: no limit.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = Some(grace.min(MAX_DELAY));
        self
    }

    /// Stops this worker from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Works until it is stopped, or its options say it is done.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a server that is too old, [`Error::Invalid`] without any handler or with a bad
    /// cron entry,
    /// [`Error::BrokerLost`] when Redis stayed away too long.
    pub fn run(self) -> Result<Summary> {
        let Worker { client, mut options, handlers, events: mut listener, stopper, on_healthy, .. } = self;
        options.lease.get_or_insert(client.dialect.lease);
        if handlers.is_empty() {
            return Err(Error::invalid(
                "the worker has no handlers: every job would fail",
                client.dialect.handlers_hint,
            ));
        }
        if options.is_isolated && !processes::can_be_horse() {
            return Err(Error::invalid(
                "this program cannot start work horses: it would run as a whole in each of them",
                "let main begin with Handlers::serve_if_horse, or with App::main",
            ));
        }
        check_worker_name(&options.name)?;
        let has_processes = options.is_isolated || handlers.has_programs();
        let warning = file_limit::raise(&options, has_processes)?;
        warning.into_iter().for_each(|warning| listener.emit(&Event::Warning(warning)));
        #[cfg(feature = "cron")]
        let ticker = self.crons.ticker(&client, &listener)?;
        crate::server_info::check_supported(&client, &mut |warning| listener.emit(&Event::Warning(warning)))?;
        panics::install_panic_hook();
        let options = Arc::new(options);
        let queues: Vec<QueueKeys> = options.queues.iter().map(|name| client.keys.queue(name)).collect();
        let (inbox, messages) = mpsc::channel::<Message>();
        stopper.attach(inbox.clone());
        let board = Arc::new(WorkerState::new(&client, &options));
        let counting = Arc::clone(&board);
        listener.add(Box::new(move |event| counting.record_event(event)));
        let heartbeat = heartbeat::start(&client, &options, &queues, &board, inbox.clone())?;
        let commands = commands::start(&client, &options, &stopper, &inbox);
        let maintenance = maintenance::start(&client, &options, &queues, (&board, &listener));
        #[cfg(feature = "cron")]
        let cron = cron::start(&client, &options, ticker, &listener);
        let dispatcher = Dispatcher::new(
            dispatch::WorkerContext {
                client,
                options,
                queues,
                events: listener,
                stopper,
                state: board,
                on_healthy,
            },
            handlers,
            (inbox, messages),
        );
        let summary = spawn_signal_masked("rq-rs dispatch", move || dispatcher.run()).join();
        #[cfg(feature = "cron")]
        cron.into_iter().for_each(BackgroundThread::stop);
        maintenance.stop();
        // It only listens: nobody needs to wait until it has noticed.
        drop(commands);
        heartbeat.stop();
        summary.unwrap_or_else(|_| {
            Err(Error::Corrupt { what: "the worker's loop panicked; this is a bug of rq-rs".to_owned() })
        })
    }
}

/// Commands that take a worker's record away when it ends.
fn deregister(client: &Client, options: &Options, queues: &[QueueKeys]) -> Vec<RedisCommand> {
    let record = client.keys.worker(&options.name);
    let mut calls = vec![RedisCommand::new("SREM").arg(client.keys.workers()).arg(&record)];
    for queue in queues {
        calls.push(RedisCommand::new("SREM").arg(&queue.workers).arg(&record));
    }
    let now = crate::job::iso(chrono::Utc::now());
    calls.push(RedisCommand::new("HSET").arg(&record).arg("death").arg(now));
    calls.push(RedisCommand::new("EXPIRE").arg(&record).arg(60));
    calls.push(RedisCommand::new("DEL").arg(client.keys.executions_of_worker(&options.name)));
    calls
}
