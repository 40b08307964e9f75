//! A job as Redis holds it. Reading never fails: what cannot be read is named in `problems`.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::times::from_iso;
use super::{Call, Status, Ttl, read_call};

/// The raw fields of a job hash.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(pub(crate) Vec<(Vec<u8>, Vec<u8>)>);

impl Fields {
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().find(|(field, _)| field == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }
}

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
    /// When it was last put into its queue.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// When its last run began.
    pub started_at: Option<DateTime<Utc>>,
    /// When its last run ended, or it was canceled.
    pub ended_at: Option<DateTime<Utc>>,
    /// The worker of its last run.
    pub worker_name: Option<String>,
    /// How long it may run; -1 for ever. `None` means RQ's 180 s.
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
    /// How often it was tried again.
    pub number_of_retries: u32,
    /// How often it was started since it last ended; more than one when workers were lost.
    pub deliveries: u32,
    /// The execution that holds or held it.
    pub execution_id: Option<String>,
    /// The group it belongs to.
    pub group_id: Option<String>,
    /// Fields that rq-rs does not know, as text; they are kept as they are.
    pub other: BTreeMap<String, String>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
}

impl Record {
    /// Reads a job hash.
    pub(crate) fn read(id: &str, fields: &Fields) -> Self {
        let mut reader = Reader { fields, problems: Vec::new() };
        let call = reader.call();
        let description = reader.text("description").filter(|text| !text.is_empty());
        let described = description.or_else(|| call.as_ref().map(Call::describe)).unwrap_or_default();
        let (handler, args, kwargs) = match call {
            Some(call) => (Some(call.handler), call.args, call.kwargs),
            None => (None, Vec::new(), Map::new()),
        };
        Record {
            id: id.to_owned(),
            status: reader.status(),
            origin: reader.text("origin").unwrap_or_default(),
            handler,
            args,
            kwargs,
            description: described,
            created_at: reader.time("created_at"),
            enqueued_at: reader.time("enqueued_at"),
            started_at: reader.time("started_at"),
            ended_at: reader.time("ended_at"),
            worker_name: reader.text("worker_name").filter(|name| !name.is_empty()),
            timeout: reader.seconds("timeout"),
            ttl: reader.seconds("ttl"),
            result_ttl: reader.seconds("result_ttl"),
            failure_ttl: reader.seconds("failure_ttl"),
            meta: reader.json("meta").unwrap_or_default(),
            result: reader.json("result"),
            exc_info: reader.text("exc_info").filter(|text| !text.is_empty()),
            log: reader.text("log"),
            retries_left: reader.number("retries_left"),
            retry_intervals: reader.json("retry_intervals").unwrap_or_default(),
            enqueue_at_front_on_retry: reader.number("enqueue_at_front_on_retry") == Some(1),
            number_of_retries: reader.number("number_of_retries").unwrap_or(0),
            deliveries: reader.number("deliveries").unwrap_or(0),
            execution_id: reader.text("execution_id"),
            group_id: reader.text("group_id").filter(|id| !id.is_empty()),
            other: reader.other(),
            problems: reader.problems,
        }
    }

    /// What it calls; `None` when the payload cannot be read.
    pub fn call(&self) -> Option<Call> {
        Some(Call { handler: self.handler.clone()?, args: self.args.clone(), kwargs: self.kwargs.clone() })
    }
}

/// The fields that [`Record`] has by name, and a note of our own.
const KNOWN: [&str; 25] = [
    "status",
    "origin",
    "data",
    "description",
    "created_at",
    "enqueued_at",
    "started_at",
    "ended_at",
    "worker_name",
    "timeout",
    "ttl",
    "result_ttl",
    "failure_ttl",
    "meta",
    "result",
    "exc_info",
    "log",
    "retries_left",
    "retry_intervals",
    "enqueue_at_front_on_retry",
    "number_of_retries",
    "deliveries",
    "execution_id",
    "group_id",
    "waited",
];

struct Reader<'a> {
    fields: &'a Fields,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn other(&self) -> BTreeMap<String, String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = self.fields.0.iter().map(|(name, value)| (text(name), text(value)));
        pairs.filter(|(name, _)| !KNOWN.contains(&name.as_str())).collect()
    }

    fn problem<T>(&mut self, name: &str, reason: &str) -> Option<T> {
        self.problems.push(format!("{name}: {reason}"));
        None
    }

    fn call(&mut self) -> Option<Call> {
        match self.fields.get("data").map(read_call) {
            Some(Ok(call)) => Some(call),
            Some(Err(reason)) => self.problem("data", &reason),
            None => self.problem("data", "missing"),
        }
    }

    fn status(&mut self) -> Status {
        let Some(word) = self.fields.get("status").filter(|word| !word.is_empty()) else {
            return Status::Created;
        };
        let word = String::from_utf8_lossy(word).into_owned();
        word.parse().unwrap_or_else(|()| {
            self.problem::<()>("status", &format!("{word:?} is not a status"));
            Status::Created
        })
    }

    /// Text that is not UTF-8 is shown with replacement characters.
    fn text(&mut self, name: &str) -> Option<String> {
        self.fields.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    fn parsed<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => self.problem(name, &format!("{text:?} is not {expected}")),
        }
    }

    fn number(&mut self, name: &str) -> Option<u32> {
        self.parsed(name, "a whole number")
    }

    fn seconds(&mut self, name: &str) -> Option<i64> {
        let seconds: i64 = self.parsed(name, "a whole number of seconds")?;
        match Ttl::from_seconds(seconds) {
            Some(_) => Some(seconds),
            None => self.problem(name, &format!("{seconds} s is out of range")),
        }
    }

    fn time(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        from_iso(&text).or_else(|| self.problem(name, &format!("{text:?} is not a time")))
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.fields.get(name).filter(|value| !value.is_empty())?;
        match serde_json::from_slice(value) {
            Ok(value) => Some(value),
            Err(error) => self.problem(name, &error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Record};

    fn read(fields: &[(&str, &[u8])]) -> Record {
        let pairs = fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
        Record::read("id", &Fields(pairs.collect()))
    }

    #[test]
    fn each_field_that_cannot_be_read_is_named() {
        let record = read(&[
            ("data", b"{not json"),
            ("status", b"happy"),
            ("timeout", b"soon"),
            ("result_ttl", b"99999999999999"),
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
