//! The public builder of a worker: its queues, handlers and options.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context::Context;
#[cfg(feature = "cron")]
use super::cron_loop::CronEntries;
use super::event::Event;
use super::event_bus::EventBus;
use super::handlers::Handlers;
use super::options::{Options, Run};
use super::stop::Stopper;
use crate::client::Client;
#[cfg(feature = "cron")]
use crate::cron::Cron;
use crate::dialect::Dialect;
use crate::error::{Error, Result};
use crate::job::{MAX_DELAY, Retry, Ttl, check_queue_name};
use crate::redis::Timeouts;

/// Runs jobs of one or more queues with its handlers.
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
    pub(super) client: Arc<Client>,
    pub(super) options: Options,
    pub(super) handlers: Handlers,
    pub(super) events: EventBus,
    pub(super) stopper: Stopper,
    pub(super) on_healthy: Box<dyn Fn() + Send>,
    #[cfg(feature = "cron")]
    pub(super) cron_entries: CronEntries,
}

impl Worker {
    /// A worker for these queues. Jobs of an earlier queue are started before any job of a later queue.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a bad URL, a bad queue name or no queue at all; [`Error::Unreachable`] and
    /// [`Error::Denied`] when Redis cannot be used.
    pub fn connect<Q: Into<String>>(url: &str, queues: impl IntoIterator<Item = Q>) -> Result<Self> {
        let queues: Vec<String> = queues.into_iter().map(Into::into).collect();
        queues.iter().try_for_each(|name| check_queue_name(name))?;
        Self::with_client(&Client::connect(url)?, queues)
    }

    /// A worker for queues whose names have been checked.
    pub(crate) fn with_client(client: &Arc<Client>, mut queues: Vec<String>) -> Result<Self> {
        if queues.is_empty() {
            return Err(Error::invalid("a worker needs a queue", "name at least one, as in \"default\""));
        }
        let mut seen = HashSet::new();
        queues.retain(|name| seen.insert(name.clone()));
        Ok(Worker {
            client: client.with_timeouts(Timeouts::WORKER),
            options: Options::new(queues),
            handlers: Handlers::default(),
            events: EventBus::default(),
            stopper: Stopper::default(),
            on_healthy: Box::new(|| {}),
            #[cfg(feature = "cron")]
            cron_entries: CronEntries::default(),
        })
    }

    /// Sets the dialect: keys and formats in Redis. Default: see [`Queue::dialect`](crate::Queue::dialect).
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.client = self.client.with_dialect(dialect);
        self
    }

    /// Sets the prefix of all keys in Redis. Default: see [`Queue::prefix`](crate::Queue::prefix).
    ///
    /// # Errors
    /// [`Error::Invalid`] for an invalid prefix.
    pub fn prefix(mut self, prefix: &str) -> Result<Self> {
        self.client = self.client.with_prefix(prefix)?;
        Ok(self)
    }

    /// Runs jobs of this name with a function. The type of its second argument decides which arguments fit: a
    /// tuple takes positional arguments, a struct takes keyword arguments (or positional ones in the order of
    /// its fields), `()` takes none, any other type takes one argument.
    ///
    /// The returned value is the job's result. An error fails the job; it is retried if the job has a
    /// [`Retry`] policy or the error asks for it ([`Retry::later`], [`GiveUp`](crate::GiveUp)). A panic is
    /// caught and counts as an error.
    pub fn handler<T, R, F>(mut self, name: impl Into<String>, function: F) -> Self
    where
        T: DeserializeOwned,
        R: Serialize,
        F: Fn(&Context, T) -> anyhow::Result<R> + Send + Sync + 'static,
    {
        self.handlers.add_function(name.into(), function);
        self
    }

    /// Runs jobs of this name with a command, one process per job; the name `*` stands for every name without
    /// a handler. The command is split into words as a shell does, but no shell runs.
    ///
    /// Standard input is the job as one JSON object (`id queue handler args kwargs attempt meta deadline`).
    /// Standard output is the result: JSON if it parses, else UTF-8 text. Standard error is kept with a job
    /// that fails. Exit code 0 finishes the job, 75 asks for a retry, any other code or a signal fails it. At
    /// the job's timeout the whole process group gets TERM, and KILL after [`kill_after`](Self::kill_after).
    ///
    /// # Errors
    /// [`Error::Invalid`] when the command cannot be split or its program is not found.
    pub fn exec(mut self, name: impl Into<String>, command: &str) -> Result<Self> {
        self.handlers.add_command(name.into(), command)?;
        Ok(self)
    }

    /// Runs jobs of this name with a command that stays alive and runs many jobs. It reads one line of JSON
    /// per job on standard input: the object of [`exec`](Self::exec) with `serializer` and `data`, the
    /// payload in base64. It answers with one line of JSON:
    ///
    /// - `{"ok": value}`: the result;
    /// - `{"data": base64}`: the result as the job's serializer writes it;
    /// - `{"error": text, "retry_in": seconds}`: a failure. Without `retry_in` the job's own policy decides; a
    ///   negative number means no retry;
    /// - `{"again_in": seconds}`: call again later, after one second at the earliest; no failure is counted.
    ///
    /// Standard error is kept with the job.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the command cannot be split or its program is not found.
    pub fn exec_server(mut self, name: impl Into<String>, command: &str) -> Result<Self> {
        self.handlers.add_server(name.into(), command)?;
        Ok(self)
    }

    /// Sets whether functions run in threads of the worker or in work horses. Default: [`Run::Threads`].
    pub fn isolate(mut self, run: Run) -> Self {
        self.options.is_isolated = run == Run::Processes;
        self
    }

    /// Replaces a work horse, or a process of [`exec_server`](Self::exec_server), after this many jobs; 0
    /// means no limit. Default: 1000.
    pub fn horse_max_jobs(mut self, jobs: u32) -> Self {
        self.options.horse_max_jobs = (jobs > 0).then_some(jobs);
        self
    }

    /// Limits the memory of a work horse, in bytes of address space (`RLIMIT_AS`). A job that asks for more
    /// aborts its work horse, and fails alone. Linux only: macOS accepts the limit and ignores it. Default:
    /// no limit.
    pub fn horse_memory(mut self, bytes: u64) -> Self {
        self.options.horse_memory = Some(bytes);
        self
    }

    /// Replaces a work horse after a job if its resident memory was larger than this many bytes. Default: no
    /// limit.
    pub fn horse_recycle(mut self, bytes: u64) -> Self {
        self.options.horse_recycle = Some(bytes);
        self
    }

    /// Sets the time between TERM and KILL for a process that must end. Default: 5 s.
    pub fn kill_after(mut self, delay: Duration) -> Self {
        self.options.kill_after = delay.min(MAX_DELAY);
        self
    }

    /// Replaces all handlers of this worker.
    pub fn handlers(mut self, handlers: Handlers) -> Self {
        self.handlers = handlers;
        self
    }

    /// Sets the number of jobs that run at the same time, at least 1. Default: the number of cores.
    pub fn concurrency(mut self, slots: usize) -> Self {
        self.options.concurrency = slots.max(1);
        self
    }

    /// Sets the name of the worker in lists and logs. Default: 32 random hex digits.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = name.into();
        self
    }

    /// Ends the worker when no job is left to start (RQ's burst mode). Default: the worker waits for more
    /// jobs.
    pub fn burst(mut self, burst: bool) -> Self {
        self.options.burst = burst;
        self
    }

    /// Ends the worker after this many runs have begun. Default: no limit.
    pub fn max_jobs(mut self, jobs: u64) -> Self {
        self.options.max_jobs = Some(jobs);
        self
    }

    /// Ends the worker after it has been idle for this long. Default: no limit.
    pub fn max_idle_time(mut self, idle: Duration) -> Self {
        self.options.max_idle_time = Some(idle.min(MAX_DELAY));
        self
    }

    /// Sets how long results are kept, for jobs without a result TTL of their own. Default: 500 s.
    pub fn result_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.options.result_ttl = ttl.into();
        self
    }

    /// Sets how long failed jobs are kept, for jobs without a failure TTL of their own. Default: one year.
    pub fn failure_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.options.failure_ttl = ttl.into();
        self
    }

    /// Limits the number of finished jobs that each queue keeps: jobs that expire first are removed first,
    /// and jobs that are kept for ever stay. Default: no limit.
    pub fn keep_finished(mut self, jobs: u64) -> Self {
        self.options.keep_finished = Some(jobs);
        self
    }

    /// Limits the number of failed jobs that each queue keeps, as [`keep_finished`](Self::keep_finished) does
    /// for finished jobs. Default: no limit.
    pub fn keep_failed(mut self, jobs: u64) -> Self {
        self.options.keep_failed = Some(jobs);
        self
    }

    /// Fails a job whose result is larger than this many bytes of JSON. Default: 1 MiB. Results of more than
    /// 16 MiB, a million values or a nesting depth of 200 always fail, because nothing could read them.
    pub fn max_result(mut self, bytes: usize) -> Self {
        self.options.max_result = bytes;
        self
    }

    /// Sets how long the worker's record outlives its last heartbeat, in whole seconds; 60 s are added, as in
    /// RQ. Default: 420 s; at least 30 s.
    pub fn worker_ttl(mut self, ttl: Duration) -> Self {
        self.options.worker_ttl = ttl.clamp(Duration::from_secs(30), MAX_DELAY);
        self
    }

    /// Sets how often in a row the worker tries to reach Redis before it gives up, with delays that grow from
    /// 0.1 s to 30 s; 0 means for ever. Default: 100.
    pub fn broker_max_retries(mut self, tries: u32) -> Self {
        self.options.broker_max_retries = tries;
        self
    }

    /// Sets the lease, the time limit of an execution: if the heartbeat has not renewed the lease for this long, another
    /// worker recovers the job. Default: 30 s, 45 s in the dialect rq; at least 1 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.options.lease = Some(lease.clamp(Duration::from_secs(1), MAX_DELAY));
        self
    }

    /// Sets the interval at which the worker recovers jobs of lost workers. Default: 15 s; at least 0.1 s.
    pub fn recover_interval(mut self, interval: Duration) -> Self {
        self.options.recover_interval = interval.clamp(Duration::from_millis(100), MAX_DELAY);
        self
    }

    /// Fails a job that has been lost with its worker this many times, because the job itself may kill its
    /// workers. Losses do not count as retries. Default: 3; at least 1.
    pub fn max_deliveries(mut self, max: u32) -> Self {
        self.options.max_deliveries = max.max(1);
        self
    }

    /// Sets the retry policy of jobs without one of their own. Default: no retry; a failed job goes to the failed registry.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// Sets the retry policy of one handler's jobs without one of their own. Default: [`retry`](Self::retry).
    pub fn handler_retry(mut self, handler: impl Into<String>, retry: Retry) -> Self {
        self.options.handler_retry.insert(handler.into(), retry);
        self
    }

    /// Sets the timeout of one handler's jobs that have RQ's default of 180 s, in whole seconds (rounded up).
    /// Default: 180 s.
    pub fn handler_timeout(mut self, handler: impl Into<String>, timeout: Duration) -> Self {
        self.options.handler_timeout.insert(handler.into(), timeout);
        self
    }

    /// Limits how many jobs of one handler this worker runs at the same time, at least 1; `*` sets the limit
    /// of each other handler. A job over the limit stays at the front of its queue and holds up the jobs
    /// behind it; other queues go on. Default: no limit.
    pub fn handler_concurrency(mut self, handler: impl Into<String>, max: usize) -> Self {
        self.options.handler_concurrency.insert(handler.into(), max.max(1));
        self
    }

    /// Adds a callback for everything that the worker does, in order: for tests, logs and metrics. It is
    /// called on the worker's own threads: be quick, or send the event to a channel.
    pub fn on_event(mut self, callback: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.events.subscribe(Box::new(callback));
        self
    }

    /// Sets a callback that is called about once a second while the worker is healthy: it claims jobs, or
    /// every slot is busy. It is not called while Redis is away or silent. For watchdogs and probes.
    pub fn on_healthy(mut self, callback: impl Fn() + Send + 'static) -> Self {
        self.on_healthy = Box::new(callback);
        self
    }

    /// Sets how long running jobs may go on once the worker drains: after a stop, or when it has run
    /// [`max_jobs`](Self::max_jobs). Then they are put back at the front of their queue, and no attempt is counted.
    /// Default: no limit.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.options.grace = Some(grace.min(MAX_DELAY));
        self
    }

    /// A handle that stops this worker from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }
}

#[cfg(feature = "cron")]
impl Worker {
    /// Adds a cron entry: the worker enqueues its jobs when they are due, to the queue that the entry names.
    /// Any number of workers may have the same entry; each tick enqueues one job.
    pub fn cron(mut self, entry: Cron) -> Self {
        self.cron_entries.entries.push(entry);
        self
    }

    /// Sets whether the worker starts without cron entries that are invalid: a bad schedule, or a time zone
    /// that this machine does not know. Each is an [`Event::Warning`]. Default: [`run`](Self::run) returns an
    /// error.
    pub fn cron_lenient(mut self, is_lenient: bool) -> Self {
        self.cron_entries.is_lenient = is_lenient;
        self
    }
}
