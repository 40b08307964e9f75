//! A wish: what to call and how. Becomes a job by `Queue::enqueue_job`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::chunks::{is_chunk, split};
#[cfg(feature = "cron")]
use super::json_text;
use super::times::{DEFAULT_TIMEOUT, MAX_DELAY, format_intervals};
use super::{
    Arguments, PyValue, Repeat, Retry, Serializer, Status, Ttl, check_id, deflate, describe_call,
    is_over_limit, iso, to_python, write_call,
};
use crate::error::{Error, Result};

/// Python cannot set an alarm for longer: 68 years.
const LONGEST_TIMEOUT: i64 = i32::MAX as i64;

/// What a dialect wants a new job's fields to look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayloadFormat {
    pub(crate) serializer: Serializer,
    /// RQ compresses payloads.
    pub(crate) is_compressed: bool,
    /// RQ writes empty fields for what a job does not have, and always a description; without it, what is
    /// as usual is left out.
    pub(crate) writes_all_fields: bool,
    /// Payloads are spread over several fields; see `chunks.rs`.
    pub(crate) is_chunked: bool,
}

/// RawHash that RQ writes empty into each new job, in its order.
const EMPTY_IN_RQ: [&str; 8] = [
    "success_callback_name",
    "failure_callback_name",
    "stopped_callback_name",
    "started_at",
    "ended_at",
    "last_heartbeat",
    "worker_name",
    "group_id",
];

/// The fields of a new job, and their size before anything is compressed.
pub(crate) struct EncodedFields {
    pub(crate) fields: Vec<(&'static str, Vec<u8>)>,
    pub(crate) size: usize,
}

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
    meta: Result<Option<PyValue>, String>,
    at_front: bool,
    due: Option<Due>,
    retry: Option<Retry>,
    repeat: Option<Repeat>,
}

/// A wish, to be written down.
#[cfg(feature = "cron")]
pub(crate) struct JobSpec<'a> {
    pub(crate) args: Option<String>,
    pub(crate) kwargs: Option<String>,
    pub(crate) timeout: i64,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) result_ttl: Option<Ttl>,
    pub(crate) failure_ttl: Option<Ttl>,
    pub(crate) meta: Option<String>,
    pub(crate) retry: Option<&'a Retry>,
    pub(crate) repeat: Option<&'a Repeat>,
    pub(crate) description: Option<&'a str>,
}

/// When a job that is not to begin at once goes to its queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Due {
    /// So long after it has reached Redis.
    After(Duration),
    /// At this moment: seconds since 1970.
    At(f64),
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
        let arguments = || -> Result<Arguments, String> {
            let named = |(name, value): (&String, &Value)| Ok((name.clone(), to_python(value)?));
            Ok(Arguments {
                args: args.iter().map(to_python).collect::<Result<_, String>>()?,
                kwargs: kwargs.iter().map(named).collect::<Result<_, String>>()?,
            })
        };
        Self::with(handler.into(), arguments())
    }

    /// The same with arguments as Python has them.
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

    /// The id: 1 to 200 of `A-Z a-z 0-9 - _`. Default: a random UUID. An id that exists already
    /// is refused with [`Error::Duplicate`], so a chosen id makes enqueueing idempotent.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// How long it may run, in whole seconds (rounded up, at least 1). Default: 180 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Ttl::from(timeout).as_seconds().clamp(1, LONGEST_TIMEOUT);
        self
    }

    /// It may run for ever.
    pub fn no_timeout(mut self) -> Self {
        self.timeout = Ttl::FOREVER.as_seconds();
        self
    }

    /// How long it may wait in the queue before it is dropped. Default: for ever. [`Ttl::NONE`] is refused.
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
        self.meta = match to_python(&meta) {
            Ok(data) if data.is_dict() => Ok(Some(data)),
            Ok(other) => Err(format!("meta must be a struct or a map, not {other}")),
            Err(error) => Err(format!("meta cannot be written: {error}")),
        };
        self
    }

    /// It goes before the jobs that wait.
    pub fn at_front(mut self) -> Self {
        self.at_front = true;
        self
    }

    /// It goes to its queue after this delay, by Redis' clock. Until then it is in the registry `scheduled`; any
    /// worker of the queue moves it, within a second. RQ's `enqueue_in`.
    pub fn after(mut self, delay: Duration) -> Self {
        self.due = Some(Due::After(delay.min(MAX_DELAY)));
        self
    }

    /// It goes to its queue at this time (a `DateTime<Utc>` of chrono's, or a `SystemTime`); at once, when it has
    /// passed. RQ's `enqueue_at`.
    pub fn at(mut self, time: impl Into<DateTime<Utc>>) -> Self {
        self.due = Some(Due::At(time.into().timestamp_millis().max(0) as f64 / 1000.0));
        self
    }

    /// What happens when it fails. Default: nothing, it goes to the failed registry.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// How often it runs again once it has finished. Default: never.
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = Some(repeat);
        self
    }

    /// What can be written of it as text.
    #[cfg(feature = "cron")]
    pub(crate) fn spec(&self) -> JobSpec<'_> {
        let none = Arguments::default();
        let arguments = self.arguments.as_ref().unwrap_or(&none);
        let (args, kwargs) = arguments.to_texts();
        let meta = self.meta.as_ref().ok().and_then(Option::as_ref);
        JobSpec {
            args,
            kwargs,
            timeout: self.timeout,
            ttl: self.ttl,
            result_ttl: self.result_ttl,
            failure_ttl: self.failure_ttl,
            meta: meta.map(json_text),
            retry: self.retry.as_ref(),
            repeat: self.repeat.as_ref(),
            description: self.description.as_deref(),
        }
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

    /// Refuses what cannot be enqueued.
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
        self.meta.as_ref().map_err(|what| self.wrong(what))?;
        self.arguments.as_ref().map_err(|what| self.wrong(what))?;
        Ok(())
    }

    pub(crate) fn handler(&self) -> &str {
        &self.handler
    }

    fn wrong(&self, what: &str) -> Error {
        let hint = match is_over_limit(what) {
            true => "store the data elsewhere and pass where it is",
            false => "see NewJob::new",
        };
        Error::invalid(format!("{}: {what}", self.handler), hint)
    }

    /// The fields of the job hash in RQ's order, `created_at` first.
    pub(crate) fn encode(
        &self,
        origin: &str,
        format: PayloadFormat,
        now: DateTime<Utc>,
        rng: impl FnMut() -> f64,
    ) -> Result<EncodedFields> {
        self.check()?;
        let none = Arguments::default();
        let arguments = self.arguments.as_ref().unwrap_or(&none);
        let data =
            write_call(&self.handler, arguments, format.serializer).map_err(|what| self.wrong(&what))?;
        let plain = data.len();
        let mut fields: Vec<(&'static str, Vec<u8>)> = vec![("created_at", iso(now).into())];
        let data = if format.is_compressed { deflate(&data) } else { data };
        fields.extend(if format.is_chunked { split(data) } else { vec![("data", data)] });
        if format.writes_all_fields {
            fields.extend(EMPTY_IN_RQ.map(|name| (name, Vec::new())));
        }
        let mut add =
            |name, value: Option<String>| fields.extend(value.map(|value| (name, value.into_bytes())));
        if let Some(retry) = &self.retry {
            add("retries_left", Some(retry.max().to_string()));
            add(
                "retry_intervals",
                Some(format_intervals(&retry.intervals_in(format.writes_all_fields, rng))),
            );
            add("enqueue_at_front_on_retry", retry.is_at_front().then(|| "1".to_owned()));
        }
        if let Some(repeat) = &self.repeat {
            add("repeats_left", Some(repeat.times().to_string()));
            add("repeat_intervals", Some(format_intervals(repeat.intervals())));
        }
        add("origin", Some(origin.to_owned()));
        // Python's workers end at a job without a description when they log to a terminal.
        let described = format.writes_all_fields.then(|| self.described(arguments, format.serializer));
        add("description", self.description.clone().filter(|text| !text.is_empty()).or(described));
        // What a reader takes for granted need not be stored with each job.
        let is_scheduled = self.due.is_some();
        add("enqueued_at", (format.writes_all_fields && !is_scheduled).then(|| iso(now)));
        add("enqueue_at_front", (is_scheduled && self.at_front).then(|| "1".to_owned()));
        let is_usual = !format.writes_all_fields && self.timeout == DEFAULT_TIMEOUT.as_seconds();
        add("timeout", (!is_usual).then(|| self.timeout.to_string()));
        let seconds = |ttl: Option<Ttl>| ttl.map(|ttl| ttl.to_string());
        add("result_ttl", seconds(self.result_ttl));
        add("failure_ttl", seconds(self.failure_ttl));
        let status = if is_scheduled { Status::Scheduled } else { Status::Queued };
        add("status", Some(status.to_string()));
        add("ttl", self.expires().map(|seconds| seconds.to_string()));
        if let Ok(Some(meta)) = &self.meta {
            fields.push(("meta", format.serializer.write(meta).map_err(|what| self.wrong(&what))?));
        }
        let others = fields.iter().filter(|(name, _)| !is_chunk(name));
        let size = plain + others.map(|(_, value)| value.len()).sum::<usize>();
        Ok(EncodedFields { fields, size })
    }

    fn described(&self, arguments: &Arguments, serializer: Serializer) -> String {
        describe_call(&self.handler, &arguments.args, &arguments.kwargs, serializer)
    }

    /// Seconds after which it is dropped from the queue, if ever.
    pub(crate) fn expires(&self) -> Option<i64> {
        self.ttl.map(Ttl::as_seconds).filter(|seconds| *seconds >= 0)
    }
}
