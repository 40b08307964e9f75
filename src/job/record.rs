//! A job's record. Reading it never fails: fields that cannot be read are named in `problems`.

use std::collections::BTreeMap;
#[cfg(feature = "worker")]
use std::mem;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::attempt::Attempt;
use super::payload::{Arguments, Call, PyValue, Serializer};
use super::raw_hash::RawHash;
use super::reader::{ReadMode, RecordReader};
#[cfg(feature = "worker")]
use super::retry::Retry;
use super::status::Status;
use super::times::DEFAULT_TIMEOUT;

/// A job's record in Redis: RQ's fields under RQ's names.
///
/// The JSON of a record (the command line's `--json`) is one object with these names. Times are ISO 8601 in UTC,
/// durations are seconds with -1 for ever, and a missing value is `null`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// Id of the job.
    pub id: String,
    /// State of the job.
    pub status: Status,
    /// Name of the queue.
    pub origin: String,
    /// Name of the handler; `None` if the payload cannot be read.
    pub handler: Option<String>,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
    /// Text for lists: the caller's description, or the call.
    pub description: String,
    /// Time at which the job was made.
    pub created_at: Option<DateTime<Utc>>,
    /// Time at which the job was last put into its queue. If the record does not say, `created_at` of a job
    /// that was in its queue.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// Time at which the job was last claimed by a worker.
    pub started_at: Option<DateTime<Utc>>,
    /// Time at which the last run ended, or at which the job was canceled.
    pub ended_at: Option<DateTime<Utc>>,
    /// Time of the last heartbeat of the job's worker. Only RQ's dialect stores it with the job.
    pub last_heartbeat: Option<DateTime<Utc>>,
    /// Name of the worker of the last run.
    pub worker_name: Option<String>,
    /// Time that the job may run, in seconds; -1 for ever. 180 if the record does not say.
    pub timeout: Option<i64>,
    /// Time that the job may wait in its queue, in seconds; `None` for ever.
    pub ttl: Option<i64>,
    /// Time that the record and the result are kept after the job finished, in seconds; `None` for the
    /// worker's default.
    pub result_ttl: Option<i64>,
    /// Time that the record is kept after the job failed, in seconds; `None` for the worker's default.
    pub failure_ttl: Option<i64>,
    /// The caller's own data.
    pub meta: Map<String, Value>,
    /// Return value of the handler.
    pub result: Option<Value>,
    /// Error of the last failed run, with its causes.
    pub exc_info: Option<String>,
    /// Standard error of the handler's program: the last 64 KiB.
    pub log: Option<String>,
    /// Number of retries that are left; `None` without a retry policy.
    pub retries_left: Option<u32>,
    /// Delays of the retries in seconds.
    pub retry_intervals: Vec<u64>,
    /// `true` if retries go to the front of the queue.
    pub enqueue_at_front_on_retry: bool,
    /// Number of runs that are still to follow after the job finished; `None` if it is not repeated.
    pub repeats_left: Option<u32>,
    /// Intervals of the repetitions in seconds, the next one first.
    pub repeat_intervals: Vec<u64>,
    /// Number of retries so far.
    pub number_of_retries: u32,
    /// The newest ten failed runs, the oldest first.
    pub attempts: Vec<Attempt>,
    /// Number of claims since the job last ended; more than one if workers were lost.
    pub deliveries: u32,
    /// Id of the execution that runs the job, or ran it last.
    pub execution_id: Option<String>,
    /// Id of the group that the job belongs to. RQ's `Group`.
    pub group_id: Option<String>,
    /// Fields that have no member of their own here, as text. They are kept unchanged.
    pub other: BTreeMap<String, String>,
    /// Fields that cannot be read, each with the reason.
    pub problems: Vec<String>,
    /// Features of RQ that the job uses and rq-rs does not support: callbacks (`a success callback`, …) and
    /// `webhooks`. A job with any of them fails instead of running without them.
    pub needs: Vec<&'static str>,
    /// The arguments as Python values, if JSON cannot hold them without loss.
    #[serde(skip)]
    exact: Option<Arc<Arguments>>,
    /// `true` if the retry policy is the worker's default, and not stored with the job yet.
    #[serde(skip)]
    pub(crate) has_default_retry: bool,
    /// The result as a Python value, if JSON may not hold it without loss.
    #[serde(skip)]
    pub(crate) exact_result: Option<PyValue>,
    /// Format of the payload, which the result and meta use too.
    #[serde(skip)]
    pub(crate) serializer: Serializer,
}

impl Record {
    /// Gives the worker's retry policy to a job without one. `rng` returns numbers from 0 to 1.
    #[cfg(feature = "worker")]
    pub(crate) fn apply_default_retry(&mut self, policy: &Retry, rng: impl FnMut() -> f64) {
        if self.retries_left.is_none() && self.number_of_retries == 0 {
            self.retries_left = Some(policy.max());
            self.retry_intervals = policy.intervals(rng);
            self.enqueue_at_front_on_retry = policy.is_at_front();
            self.has_default_retry = true;
        }
    }

    /// Reads the hash of a job.
    pub(crate) fn read(id: &str, fields: &RawHash, mode: ReadMode) -> Self {
        let mut reader = RecordReader { fields, mode, problems: Vec::new() };
        let call = reader.call();
        let description = reader.text("description").filter(|text| !text.is_empty());
        let described = description.or_else(|| call.as_ref().map(Call::describe)).unwrap_or_default();
        let serializer = call.as_ref().map_or_else(|| reader.serializer(), |call| call.serializer);
        let (handler, args, kwargs, exact) = match call {
            Some(call) => (Some(call.handler), call.args, call.kwargs, call.exact),
            None => (None, Vec::new(), Map::new(), None),
        };
        let status = reader.status();
        // The native dialect does not store the default timeout.
        let default_timeout = Some(DEFAULT_TIMEOUT.as_seconds());
        let (created_at, enqueued_at) = reader.created_and_enqueued(status);
        let result = if mode == ReadMode::Full { reader.value("result") } else { None };
        let (result, exact_result) = result.map_or((None, None), |data| (Some(data.json), data.exact));
        Record {
            id: id.to_owned(),
            status,
            origin: reader.text("origin").unwrap_or_default(),
            handler,
            args,
            kwargs,
            description: described,
            created_at,
            enqueued_at,
            started_at: reader.time("started_at"),
            ended_at: reader.time("ended_at"),
            last_heartbeat: reader.time("last_heartbeat"),
            worker_name: reader.text("worker_name").filter(|name| !name.is_empty()),
            timeout: fields.get("timeout").map_or(default_timeout, |_| reader.seconds("timeout")),
            ttl: reader.seconds("ttl"),
            result_ttl: reader.seconds("result_ttl"),
            failure_ttl: reader.seconds("failure_ttl"),
            meta: reader.meta(),
            result,
            has_default_retry: false,
            exact_result,
            exc_info: reader.error(status),
            log: if mode == ReadMode::Full { reader.text("log") } else { None },
            retries_left: reader.number("retries_left"),
            retry_intervals: reader.intervals("retry_intervals"),
            repeats_left: reader.number("repeats_left"),
            repeat_intervals: reader.intervals("repeat_intervals"),
            enqueue_at_front_on_retry: reader.number("enqueue_at_front_on_retry") == Some(1),
            number_of_retries: reader.retries(),
            attempts: reader.attempts(),
            deliveries: reader.number("deliveries").unwrap_or(0),
            execution_id: reader.text("execution_id"),
            group_id: reader.text("group_id").filter(|id| !id.is_empty()),
            needs: reader.unsupported(),
            other: reader.other(),
            exact,
            serializer,
            problems: reader.problems,
        }
    }

    /// Sets the result or the error from an entry of RQ's stream of results.
    pub(crate) fn apply_result_entry(&mut self, entry: &RawHash) {
        let mut reader = RecordReader { fields: entry, mode: ReadMode::Full, problems: Vec::new() };
        match entry.get("type") {
            Some(kind) if kind == SUCCESSFUL.as_bytes() => {
                let value =
                    reader.base64("return_value").and_then(|bytes| reader.decode("return_value", &bytes));
                let (json, exact) = value.map_or((Value::Null, None), |value| (value.json, value.exact));
                (self.result, self.exact_result) = (Some(json), exact);
            }
            _ => {
                let error =
                    reader.base64("exc_string").and_then(|bytes| reader.inflated("exc_string", &bytes));
                self.exc_info = error.filter(|text| !text.is_empty());
            }
        }
        self.problems.append(&mut reader.problems);
    }

    /// Returns the record for the run, and moves the arguments into it, because they may be large.
    #[cfg(feature = "worker")]
    pub(crate) fn take_for_run(&mut self) -> Self {
        let (args, kwargs) = (mem::take(&mut self.args), mem::take(&mut self.kwargs));
        let exact = self.exact.take();
        Record { args, kwargs, exact, ..self.clone() }
    }

    /// Returns the call, and removes the arguments from the record; `None` if the payload cannot be read.
    #[cfg(feature = "worker")]
    pub(crate) fn take_call(&mut self) -> Option<Call> {
        Some(Call {
            handler: self.handler.clone()?,
            args: mem::take(&mut self.args),
            kwargs: mem::take(&mut self.kwargs),
            exact: self.exact.take(),
            serializer: self.serializer,
        })
    }

    /// Returns the call; `None` if the payload cannot be read.
    pub fn call(&self) -> Option<Call> {
        Some(Call {
            handler: self.handler.clone()?,
            args: self.args.clone(),
            kwargs: self.kwargs.clone(),
            exact: self.exact.clone(),
            serializer: self.serializer,
        })
    }
}

/// RQ's type of the entry of a successful run in the stream of results.
pub(super) const SUCCESSFUL: &str = "1";

#[cfg(test)]
mod tests {
    use super::{RawHash, ReadMode, Record};

    fn read(fields: &[(&str, &[u8])]) -> Record {
        let pairs = fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
        Record::read("id", &RawHash(pairs.collect()), ReadMode::Full)
    }

    #[test]
    fn each_field_that_cannot_be_read_is_named() {
        let record = read(&[
            ("data", b"{not json"),
            ("status", b"happy"),
            ("timeout", b"soon"),
            ("result_ttl", b"-2"),
            ("created_at", b"yesterday"),
            ("meta", b"\xff"),
            ("description", b"caf\xe9"),
        ]);
        let named: Vec<&str> = record.problems.iter().filter_map(|p| p.split(':').next()).collect();
        assert_eq!(named, ["data", "status", "created_at", "timeout", "result_ttl", "meta"]);
        assert_eq!(record.description, "caf\u{fffd}");
    }

    #[test]
    fn unknown_fields_are_kept() {
        let record = read(&[("data", br#"["f", null, [], {}]"#), ("webhooks", b"[]")]);
        assert_eq!(record.other.get("webhooks").map(String::as_str), Some("[]"));
        assert_eq!(record.other.len(), 1);
    }

    #[test]
    fn a_record_without_description_is_described_by_its_call() {
        let record = read(&[("data", br#"["f", null, [1, "two"], {"k": true}]"#)]);
        assert_eq!(record.description, r#"f(1, "two", k=true)"#);
        assert_eq!(record.problems, [""; 0]);
    }
}
