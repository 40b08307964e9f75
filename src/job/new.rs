//! A wish: what to call and how. Becomes a job by `Queue::enqueue_job`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::times::DEFAULT_TIMEOUT;
use super::{Arguments, Call, Retry, Status, Ttl, check_id, iso, write_call};
use crate::error::{Error, Result};

/// A job that is not enqueued yet.
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
#[must_use = "nothing is enqueued until a queue gets it"]
pub struct NewJob {
    handler: String,
    arguments: Result<Arguments, String>,
    id: Option<String>,
    timeout: i64,
    ttl: Option<Ttl>,
    result_ttl: Option<Ttl>,
    failure_ttl: Option<Ttl>,
    description: Option<String>,
    meta: Result<Map<String, Value>, String>,
    at_front: bool,
    retry: Option<Retry>,
}

impl NewJob {
    /// A call of the handler with this name. The shape of `args` decides how they are passed:
    /// a tuple is positional, a struct is keywords, `()` is nothing, anything else is one argument.
    /// What cannot be written as JSON is an error when the job is enqueued.
    pub fn new(handler: impl Into<String>, args: impl Serialize) -> Self {
        Self::with(handler.into(), Arguments::of(&args))
    }

    /// A call with positional and keyword arguments, as RQ has them.
    pub fn call(handler: impl Into<String>, args: Vec<Value>, kwargs: Map<String, Value>) -> Self {
        Self::with(handler.into(), Ok(Arguments { args, kwargs }))
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
            meta: Ok(Map::new()),
            at_front: false,
            retry: None,
        }
    }

    /// The id: 1 to 200 of `A-Z a-z 0-9 - _`. Default: a random UUID. An id that exists already
    /// is refused with [`Error::Duplicate`], so a chosen id makes enqueueing idempotent.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// How long it may run, in whole seconds (rounded up). Default: 180 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Ttl::from(timeout).as_seconds().max(1);
        self
    }

    /// It may run for ever.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = Ttl::FOREVER.as_seconds();
        self
    }

    /// How long it may wait in the queue before it is dropped. Default: for ever.
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.ttl = Some(ttl.into());
        self
    }

    /// How long its record and result are kept once it finished. Default: the worker's, 500 s.
    pub fn result_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.result_ttl = Some(ttl.into());
        self
    }

    /// How long its record is kept once it failed. Default: one year.
    pub fn failure_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.failure_ttl = Some(ttl.into());
        self
    }

    /// What people see in lists. Default: the call, as in `send_email("ada@example.com", 42)`.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Your own data kept with the job: a struct or map. Handlers may change it.
    pub fn meta(mut self, meta: impl Serialize) -> Self {
        self.meta = match serde_json::to_value(meta) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(other) => Err(format!("meta must be a struct or a map, not {other}")),
            Err(error) => Err(format!("meta cannot be written as JSON: {error}")),
        };
        self
    }

    /// It goes before the jobs that wait.
    pub fn at_front(mut self) -> Self {
        self.at_front = true;
        self
    }

    /// What happens when it fails. Default: nothing, it goes to the failed registry.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    pub(crate) fn is_at_front(&self) -> bool {
        self.at_front
    }

    pub(crate) fn chosen_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The call, once it is known to be sound.
    pub(crate) fn checked_call(&self) -> Result<Call> {
        if let Some(id) = &self.id {
            check_id(id)?;
        }
        if self.handler.is_empty() || self.handler.len() > 200 || self.handler.chars().any(char::is_control) {
            return Err(Error::invalid(
                format!("{:?} cannot be a handler name", self.handler),
                "1 to 200 printable characters, as the worker registered it",
            ));
        }
        let wrong = |what: &String| Error::invalid(format!("{}: {what}", self.handler), "see NewJob::new");
        self.meta.as_ref().map_err(wrong)?;
        let arguments = self.arguments.clone().map_err(|what| wrong(&what))?;
        Ok(Call { handler: self.handler.clone(), args: arguments.args, kwargs: arguments.kwargs })
    }

    /// The fields of the job hash, `created_at` first. Only after [`checked_call`](Self::checked_call).
    pub(crate) fn fields(
        &self,
        origin: &str,
        now: DateTime<Utc>,
        dice: impl FnMut() -> f64,
    ) -> Vec<(&'static str, String)> {
        let none = Arguments::default();
        let arguments = self.arguments.as_ref().unwrap_or(&none);
        let mut fields = vec![
            ("created_at", iso(now)),
            ("data", write_call(&self.handler, arguments)),
            ("origin", origin.to_owned()),
            ("enqueued_at", iso(now)),
            ("status", Status::Queued.to_string()),
            ("timeout", self.timeout.to_string()),
        ];
        let mut add = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
        let seconds = |ttl: Option<Ttl>| ttl.map(|ttl| ttl.to_string());
        add("ttl", self.expires().map(|seconds| seconds.to_string()));
        add("result_ttl", seconds(self.result_ttl));
        add("failure_ttl", seconds(self.failure_ttl));
        add("description", self.description.clone());
        let meta = self.meta.as_ref().ok().filter(|meta| !meta.is_empty());
        add("meta", meta.and_then(|meta| serde_json::to_string(meta).ok()));
        if let Some(retry) = &self.retry {
            add("retries_left", Some(retry.max().to_string()));
            add("retry_intervals", serde_json::to_string(&retry.intervals(dice)).ok());
            add("enqueue_at_front_on_retry", retry.is_at_front().then(|| "1".to_owned()));
        }
        fields
    }

    /// Seconds after which it is dropped from the queue, if ever.
    pub(crate) fn expires(&self) -> Option<i64> {
        self.ttl.map(Ttl::as_seconds).filter(|seconds| *seconds >= 0).map(|seconds| seconds.max(1))
    }
}
