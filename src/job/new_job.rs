//! A job before it is enqueued: the call and its options.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::id::check_id;
use super::payload::{Arguments, PyValue, is_over_limit, to_python};
use super::repeat::Repeat;
use super::retry::Retry;
use super::times::{DEFAULT_TIMEOUT, MAX_DELAY, Ttl};
use crate::error::{Error, Result};

/// Longest timeout in seconds, 68 years: Python cannot set a longer alarm.
const MAX_TIMEOUT: i64 = i32::MAX as i64;

/// A job that is not enqueued yet: the call of a handler, and options.
/// [`Queue::enqueue_job`](crate::Queue::enqueue_job) enqueues it.
///
/// A value that cannot be used (an invalid id, arguments that cannot be encoded) is an error when the job
/// is enqueued.
///
/// ```
/// # use std::time::Duration;
/// # use rq_rs::{NewJob, Retry};
/// NewJob::new("send_email", ("ada@example.com", 42))
///     .timeout(Duration::from_secs(30))
///     .retry(Retry::growing(5))
///     .at_front();
/// ```
#[derive(Debug, Clone)]
#[must_use = "pass the job to Queue::enqueue_job"]
pub struct NewJob {
    pub(super) handler: String,
    pub(super) arguments: Result<Arguments, String>,
    pub(super) id: Option<String>,
    pub(super) timeout: i64,
    pub(super) ttl: Option<Ttl>,
    pub(super) result_ttl: Option<Ttl>,
    pub(super) failure_ttl: Option<Ttl>,
    pub(super) description: Option<String>,
    pub(super) meta: Result<Option<PyValue>, String>,
    pub(super) at_front: bool,
    pub(super) due: Option<Due>,
    pub(super) retry: Option<Retry>,
    pub(super) repeat: Option<Repeat>,
}

/// Time at which a scheduled job goes to its queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Due {
    /// Delay from the time at which the job reaches Redis.
    After(Duration),
    /// Time in seconds since 1970.
    At(f64),
}

impl NewJob {
    /// Describes a call of the handler with this name (1 to 200 printable characters; for RQ's workers the
    /// dotted path of a function).
    ///
    /// The shape of `args` decides how they are passed: a tuple or an array is positional arguments, a
    /// struct or a map is keyword arguments, `()` is no arguments, and any other value is one argument.
    /// Arguments that the queue's serializer cannot write are an error when the job is enqueued.
    pub fn new(handler: impl Into<String>, args: impl Serialize) -> Self {
        Self::with(handler.into(), Arguments::from_value(&args))
    }

    /// Describes a call with both positional and keyword arguments: RQ's `args` and `kwargs`.
    pub fn call(handler: impl Into<String>, args: Vec<Value>, kwargs: Map<String, Value>) -> Self {
        let arguments = || -> Result<Arguments, String> {
            let named = |(name, value): (&String, &Value)| Ok((name.clone(), to_python(value)?));
            Ok(Arguments {
                args: args.iter().map(to_python).collect::<Result<_, String>>()?,
                kwargs: kwargs.iter().map(named).collect::<Result<_, String>>()?,
            })
        };
        Self::with(handler.into(), arguments())
    }

    /// Describes a call with arguments that are Python values.
    #[cfg(feature = "cron")]
    pub(crate) fn with_arguments(handler: impl Into<String>, arguments: Arguments) -> Self {
        Self::with(handler.into(), Ok(arguments))
    }

    fn with(handler: String, arguments: Result<Arguments, String>) -> Self {
        NewJob {
            handler,
            arguments,
            id: None,
            timeout: DEFAULT_TIMEOUT.as_seconds(),
            ttl: None,
            result_ttl: None,
            failure_ttl: None,
            description: None,
            meta: Ok(None),
            at_front: false,
            due: None,
            retry: None,
            repeat: None,
        }
    }

    /// Sets the id: 1 to 200 characters of `A-Z a-z 0-9 - _`. Default: a random UUID. RQ's `job_id`.
    ///
    /// Enqueueing an id that exists fails with [`Error::Duplicate`], so a chosen id makes enqueueing
    /// idempotent.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets how long the job may run, in whole seconds (rounded up, at least 1 s, at most 68 years).
    /// Default: 180 s. RQ's `job_timeout`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Ttl::from(timeout).as_seconds().clamp(1, MAX_TIMEOUT);
        self
    }

    /// Removes the limit on how long the job may run. RQ's `job_timeout=-1`.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = Ttl::FOREVER.as_seconds();
        self
    }

    /// Sets how long the job may wait in the queue before it is dropped. Default: for ever. RQ's `ttl`.
    ///
    /// [`Ttl::NONE`] is an error when the job is enqueued.
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.ttl = Some(ttl.into());
        self
    }

    /// Sets how long the record and the result are kept after the job finished. Default: the worker's,
    /// which is 500 s unless it is set. RQ's `result_ttl`.
    pub fn result_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.result_ttl = Some(ttl.into());
        self
    }

    /// Sets how long the record is kept after the job failed. Default: the worker's, which is one year
    /// unless it is set. RQ's `failure_ttl`.
    pub fn failure_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.failure_ttl = Some(ttl.into());
        self
    }

    /// Sets the text that lists show for the job. Default: the call, such as `send_email("ada@example.com",
    /// 42)`. RQ's `description`.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Sets the caller's own data that is kept with the job: a struct or a map. The handler can replace it.
    /// RQ's `meta`.
    ///
    /// Any other value is an error when the job is enqueued.
    pub fn meta(mut self, meta: impl Serialize) -> Self {
        self.meta = match to_python(&meta) {
            Ok(data) if data.is_dict() => Ok(Some(data)),
            Ok(other) => Err(format!("meta must be a struct or a map, not {other}")),
            Err(error) => Err(format!("meta cannot be written: {error}")),
        };
        self
    }

    /// Puts the job at the front of its queue. Default: at the end. RQ's `at_front`.
    pub fn at_front(mut self) -> Self {
        self.at_front = true;
        self
    }

    /// Delays the job: it goes to its queue after this time (at most 100 years), by Redis' clock. RQ's
    /// `enqueue_in`.
    ///
    /// Until then the job is in the registry `scheduled`. Any worker of the queue moves it to the queue,
    /// within a second of the time.
    pub fn after(mut self, delay: Duration) -> Self {
        self.due = Some(Due::After(delay.min(MAX_DELAY)));
        self
    }

    /// Schedules the job: it goes to its queue at this time, a `chrono::DateTime<Utc>` or a `SystemTime`. A
    /// time in the past means at once. RQ's `enqueue_at`.
    pub fn at(mut self, time: impl Into<DateTime<Utc>>) -> Self {
        self.due = Some(Due::At(time.into().timestamp_millis().max(0) as f64 / 1000.0));
        self
    }

    /// Sets the retries after failures. Default: the worker's policy, which has no retries unless it is
    /// set; without retries the job goes to the failed registry. RQ's `retry`.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Sets how often the job runs again after it finished. Default: never. RQ's `repeat`.
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = Some(repeat);
        self
    }

    pub(crate) fn is_at_front(&self) -> bool {
        self.at_front
    }

    pub(crate) fn due(&self) -> Option<Due> {
        self.due
    }

    pub(crate) fn chosen_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns an error if the job cannot be enqueued.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(id) = &self.id {
            check_id(id)?;
        }
        if self.handler.is_empty() || self.handler.len() > 200 || self.handler.chars().any(char::is_control) {
            return Err(Error::invalid(
                format!("{:?} cannot be a handler name", self.handler),
                "1 to 200 printable characters, as the worker registered it",
            ));
        }
        if self.ttl == Some(Ttl::NONE) {
            return Err(Error::invalid(
                format!("{}: a ttl of 0 leaves a job no time to wait", self.handler),
                "give how long it may wait, or leave it out for a job that waits for ever",
            ));
        }
        self.meta.as_ref().map_err(|reason| self.invalid(reason))?;
        self.arguments.as_ref().map_err(|reason| self.invalid(reason))?;
        Ok(())
    }

    pub(crate) fn handler(&self) -> &str {
        &self.handler
    }

    pub(super) fn invalid(&self, reason: &str) -> Error {
        let hint = match is_over_limit(reason) {
            true => "store the data elsewhere and pass where it is",
            false => "see NewJob::new",
        };
        Error::invalid(format!("{}: {reason}", self.handler), hint)
    }

    /// Returns the seconds after which the job is dropped from the queue; `None` for never.
    pub(crate) fn expires(&self) -> Option<i64> {
        self.ttl.map(Ttl::as_seconds).filter(|seconds| *seconds >= 0)
    }
}
