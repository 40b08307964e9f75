//! A job as Redis holds it. Reading never fails: what cannot be read is named in `problems`.

use std::collections::BTreeMap;
#[cfg(feature = "worker")]
use std::mem;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

#[cfg(feature = "worker")]
use super::Retry;
use super::payload::{Exact, PyValue};
use super::raw_hash::RawHash;
use super::reader::{ReadMode, RecordReader};
use super::times::DEFAULT_TIMEOUT;
use super::{Attempt, Call, Serializer, Status};

/// What Redis holds of a job: RQ's fields under RQ's names.
///
/// As JSON (the command line's `--json`) it is one object with these names; times are ISO 8601 in
/// UTC, times to live are seconds with -1 for ever, what is not set is `null`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Where it is in its life.
    pub status: Status,
    /// The name of its queue.
    pub origin: String,
    /// The handler it calls; `None` when the payload cannot be read.
    pub handler: Option<String>,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
    /// What people see: what the caller wrote, or the call.
    pub description: String,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last put into its queue; when it was made, if the record does not say.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// When its last run began.
    pub started_at: Option<DateTime<Utc>>,
    /// When its last run ended, or it was canceled.
    pub ended_at: Option<DateTime<Utc>>,
    /// When its worker last gave a sign of life; only RQ's dialect keeps it with the job.
    pub last_heartbeat: Option<DateTime<Utc>>,
    /// The worker of its last run.
    pub worker_name: Option<String>,
    /// How long it may run; -1 for ever. RQ's 180 s, if the record does not say.
    pub timeout: Option<i64>,
    /// How long it may wait in the queue.
    pub ttl: Option<i64>,
    /// How long it is kept once finished.
    pub result_ttl: Option<i64>,
    /// How long it is kept once failed.
    pub failure_ttl: Option<i64>,
    /// The caller's own data.
    pub meta: Map<String, Value>,
    /// What the handler returned.
    pub result: Option<Value>,
    /// Why it failed: the error and its causes.
    pub exc_info: Option<String>,
    /// What its program wrote to standard error, the last 64 KiB.
    pub log: Option<String>,
    /// Retries it has left; `None` without a policy.
    pub retries_left: Option<u32>,
    /// Delays of its retries in seconds.
    pub retry_intervals: Vec<u64>,
    /// Whether a retry goes before the jobs that wait.
    pub enqueue_at_front_on_retry: bool,
    /// How often it runs again once it has finished.
    pub repeats_left: Option<u32>,
    /// The intervals before that, in seconds; the first one is the next.
    pub repeat_intervals: Vec<u64>,
    /// How often it was tried again.
    pub number_of_retries: u32,
    /// Runs that failed, the newest ten.
    pub attempts: Vec<Attempt>,
    /// How often it was started since it last ended; more than one when workers were lost.
    pub deliveries: u32,
    /// The execution that holds or held it.
    pub execution_id: Option<String>,
    /// The group it belongs to.
    pub group_id: Option<String>,
    /// RawHash that rq-rs does not know, as text; they are kept as they are.
    pub other: BTreeMap<String, String>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
    /// What it asks for that rq-rs does not have yet; such a job fails instead of running without.
    pub needs: Vec<&'static str>,
    /// The arguments as Python has them.
    #[serde(skip)]
    exact: Option<Arc<Exact>>,
    /// Its policy of retries is its worker's, and not stored with it yet.
    #[serde(skip)]
    pub(crate) has_default_retry: bool,
    /// The result as Python has it.
    #[serde(skip)]
    pub(crate) exact_result: Option<PyValue>,
    /// What it was written with, and so what it is answered in.
    #[serde(skip)]
    pub(crate) serializer: Serializer,
}

impl Record {
    /// A job without a policy of its own takes its worker's. `rng` gives numbers from 0 to 1.
    #[cfg(feature = "worker")]
    pub(crate) fn apply_default_retry(&mut self, policy: &Retry, rng: impl FnMut() -> f64) {
        if self.retries_left.is_none() && self.number_of_retries == 0 {
            self.retries_left = Some(policy.max());
            self.retry_intervals = policy.intervals(rng);
            self.enqueue_at_front_on_retry = policy.is_at_front();
            self.has_default_retry = true;
        }
    }

    /// Reads a job hash.
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
        // What is as usual is not written.
        let usual_timeout = Some(DEFAULT_TIMEOUT.as_seconds());
        let (created_at, enqueued_at) = reader.created_and_enqueued(status);
        let result = if mode == ReadMode::Full { reader.data("result") } else { None };
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
            timeout: fields.get("timeout").map_or(usual_timeout, |_| reader.seconds("timeout")),
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

    /// What an entry of RQ's stream of results says of the last run.
    pub(crate) fn apply_result_entry(&mut self, entry: &RawHash) {
        let mut reader = RecordReader { fields: entry, mode: ReadMode::Full, problems: Vec::new() };
        match entry.get("type") {
            Some(kind) if kind == SUCCESSFUL.as_bytes() => {
                let value =
                    reader.base64("return_value").and_then(|bytes| reader.read("return_value", &bytes));
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

    /// The same for whoever runs it. What it calls with may be large, and is with that one only.
    #[cfg(feature = "worker")]
    pub(crate) fn take_for_run(&mut self) -> Self {
        let (args, kwargs) = (mem::take(&mut self.args), mem::take(&mut self.kwargs));
        let exact = self.exact.take();
        Record { args, kwargs, exact, ..self.clone() }
    }

    /// What it calls, taken out; `None` when the payload cannot be read.
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

    /// What it calls; `None` when the payload cannot be read.
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

/// RQ's types of entries in the stream of results, as far as we write them.
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
    fn fields_of_others_are_shown() {
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
