//! The options of a worker, and the lookup of those that a handler has for itself.

use std::collections::HashMap;
use std::time::Duration;

use crate::completion::Retention;
use crate::job::{DEFAULT_TIMEOUT, FAILURE_TTL, MAX_DELAY, Record, Retry, Ttl};

/// Options of a worker, shared by its threads. The methods of [`Worker`](crate::Worker) set and document them.
pub(crate) struct Options {
    pub(crate) queues: Vec<String>,
    pub(crate) name: String,
    pub(crate) concurrency: usize,
    pub(crate) burst: bool,
    pub(crate) max_jobs: Option<u64>,
    pub(crate) max_idle_time: Option<Duration>,
    pub(crate) result_ttl: Ttl,
    pub(crate) failure_ttl: Ttl,
    pub(crate) keep_finished: Option<u64>,
    pub(crate) keep_failed: Option<u64>,
    pub(crate) max_result: usize,
    pub(crate) worker_ttl: Duration,
    pub(super) lease: Option<Duration>,
    pub(crate) recover_interval: Duration,
    pub(crate) max_deliveries: u32,
    pub(crate) retry: Option<Retry>,
    /// Retry policies by handler name, in place of `retry`; `*` stands for every handler without an entry of its own.
    pub(crate) handler_retry: HashMap<String, Retry>,
    pub(crate) handler_timeout: HashMap<String, Duration>,
    pub(crate) handler_concurrency: HashMap<String, usize>,
    pub(crate) kill_after: Duration,
    pub(crate) is_isolated: bool,
    pub(crate) horse_max_jobs: Option<u32>,
    pub(crate) horse_memory: Option<u64>,
    pub(crate) horse_recycle: Option<u64>,
    pub(crate) broker_max_retries: u32,
    pub(crate) grace: Option<Duration>,
}

impl Options {
    pub(super) fn new(queues: Vec<String>) -> Self {
        Options {
            queues,
            name: uuid::Uuid::new_v4().simple().to_string(),
            concurrency: std::thread::available_parallelism().map_or(1, usize::from),
            burst: false,
            max_jobs: None,
            max_idle_time: None,
            result_ttl: Ttl::seconds(500),
            failure_ttl: FAILURE_TTL,
            keep_finished: None,
            keep_failed: None,
            max_result: 1024 * 1024,
            worker_ttl: Duration::from_secs(420),
            lease: None,
            recover_interval: Duration::from_secs(15),
            max_deliveries: 3,
            retry: None,
            handler_retry: HashMap::new(),
            handler_timeout: HashMap::new(),
            handler_concurrency: HashMap::new(),
            kill_after: Duration::from_secs(5),
            is_isolated: false,
            horse_max_jobs: Some(1000),
            horse_memory: None,
            horse_recycle: None,
            broker_max_retries: 100,
            grace: None,
        }
    }

    /// Times for which ended jobs are kept if their records do not name a time.
    pub(crate) fn retention(&self) -> Retention {
        Retention { finished: self.result_ttl, failed: self.failure_ttl }
    }

    /// The retry policy of a job that has none of its own.
    pub(crate) fn default_retry(&self, record: &Record) -> Option<&Retry> {
        for_handler(&self.handler_retry, record).or(self.retry.as_ref())
    }

    /// Gives a job with RQ's default timeout the timeout of its handler, if there is one.
    pub(crate) fn apply_handler_timeout(&self, record: &mut Record) {
        let is_default = record.timeout == Some(DEFAULT_TIMEOUT.as_seconds());
        if let (true, Some(timeout)) = (is_default, for_handler(&self.handler_timeout, record)) {
            record.timeout = Some(Ttl::from(*timeout).as_seconds().max(1));
        }
    }

    /// The concurrency limit of a job's handler.
    pub(crate) fn handler_limit(&self, record: &Record) -> Option<usize> {
        for_handler(&self.handler_concurrency, record).copied()
    }

    /// All concurrency limits as JSON; `None` when there are none.
    pub(crate) fn handler_limits_json(&self) -> Option<String> {
        let limits = Some(&self.handler_concurrency).filter(|limits| !limits.is_empty())?;
        serde_json::to_string(limits).ok()
    }

    /// Time limit of an execution that is not renewed. `Worker::run` sets the dialect's default.
    pub(crate) fn lease(&self) -> Duration {
        self.lease.unwrap_or(MAX_DELAY)
    }
}

/// Returns the setting for a job's handler, or else the setting for `*`.
fn for_handler<'a, T>(settings: &'a HashMap<String, T>, record: &Record) -> Option<&'a T> {
    let own = record.handler.as_deref().and_then(|handler| settings.get(handler));
    own.or_else(|| settings.get("*"))
}

/// Isolation of handlers that are Rust functions. See [`Worker::isolate`](crate::Worker::isolate).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Run {
    /// Functions run in threads of the worker. That is fast, but a handler past its timeout can only be asked to
    /// stop, and a crash ends the whole worker. The default.
    #[default]
    Threads,
    /// Functions run in work horses, which are processes of the same program. A timeout, a stop or a crash ends
    /// one job only. The program has to call
    /// [`Handlers::serve_if_horse`](crate::Handlers::serve_if_horse).
    Processes,
}
