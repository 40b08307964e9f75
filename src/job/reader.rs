//! Decoding of a record's fields, one by one. A field that cannot be read is named in `problems`.

use std::collections::BTreeMap;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::attempt::Attempt;
use super::chunks::{is_chunk, join};
use super::payload::{
    Call, DecodedValue, Serializer, inflate, read_call, read_json, read_value, serializer_of,
};
use super::raw_hash::RawHash;
use super::status::Status;
use super::times::{MAX_SECONDS, Ttl, from_iso};

/// Number of characters of a reason that are kept. A reason may quote a value, which may be megabytes.
const MAX_REASON_CHARS: usize = 300;

/// Fields that ask for a feature that rq-rs does not support: the field's name, the value that does not ask
/// for the feature, and the feature.
const UNSUPPORTED_FIELDS: [(&str, &[u8], &str); 4] = [
    ("success_callback_name", b"", "a success callback"),
    ("failure_callback_name", b"", "a failure callback"),
    ("stopped_callback_name", b"", "a stopped callback"),
    ("webhooks", b"[]", "webhooks"),
];

/// Fields that a [`Record`](super::Record) has by name, and internal fields of ours.
pub(crate) const KNOWN_FIELDS: [&str; 31] = [
    "adopted",
    "attempts",
    "status",
    "origin",
    "description",
    "created_at",
    "enqueued_at",
    "started_at",
    "ended_at",
    "last_heartbeat",
    "retries_made",
    "retry_error",
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
    "repeats_left",
    "repeat_intervals",
    "enqueue_at_front_on_retry",
    "number_of_retries",
    "deliveries",
    "execution_id",
    "group_id",
    "waited",
];

/// Extent to which a record is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadMode {
    /// All fields, for display.
    Full,
    /// The fields needed to run the job, without the results of earlier runs.
    Run,
    /// The fields needed to take the job over from a lost worker. The call and meta are not decoded, because decoding
    /// them may have killed that worker.
    Recovery,
}

/// Decodes the fields of a job's hash, or of an entry in the stream of results.
pub(super) struct RecordReader<'a> {
    pub(super) fields: &'a RawHash,
    pub(super) mode: ReadMode,
    pub(super) problems: Vec<String>,
}

impl RecordReader<'_> {
    /// Returns the fields that rq-rs does not know.
    pub(super) fn other(&self) -> BTreeMap<String, String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let is_known = |name: &[u8]| {
            std::str::from_utf8(name).is_ok_and(|name| KNOWN_FIELDS.contains(&name) || is_chunk(name))
        };
        // RQ writes empty fields for everything that a job does not have.
        let others = self.fields.0.iter().filter(|(name, value)| !value.is_empty() && !is_known(name));
        others.map(|(name, value)| (text(name), text(value))).collect()
    }

    /// Returns the features that the job asks for and rq-rs does not support.
    pub(super) fn unsupported(&self) -> Vec<&'static str> {
        let is_asked_for = |(field, unset, _): &&(&str, &[u8], &str)| {
            self.fields.get(field).is_some_and(|value| !value.is_empty() && value != *unset)
        };
        UNSUPPORTED_FIELDS.iter().filter(is_asked_for).map(|(_, _, feature)| *feature).collect()
    }

    /// Records that a field cannot be read.
    fn add_problem<T>(&mut self, name: &str, reason: &str) -> Option<T> {
        let is_long = reason.chars().nth(MAX_REASON_CHARS).is_some();
        let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
        self.problems.push(format!("{name}: {reason}{}", if is_long { " …" } else { "" }));
        None
    }

    /// Returns the times at which the job was made and last put into its queue.
    pub(super) fn created_and_enqueued(
        &mut self,
        status: Status,
    ) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        let created_at = self.time("created_at");
        // The native dialect does not store `enqueued_at` of a job that was enqueued when it was made.
        let was_claimed = self.fields.get("started_at").is_some_and(|time| !time.is_empty());
        let default = created_at.filter(|_| was_claimed || !status.is_before_the_queue());
        (created_at, self.fields.get("enqueued_at").map_or(default, |_| self.time("enqueued_at")))
    }

    /// Reads the error of the last run. RQ stores none for a run that is retried; we store it in the field
    /// `retry_error`.
    pub(super) fn error(&mut self, status: Status) -> Option<String> {
        let error = match self.fields.get("retry_error") {
            Some(_) if !status.has_ended() && !self.is_new() => self.text("retry_error"),
            _ => self.compressed_text("exc_info"),
        };
        error.filter(|text| !text.is_empty())
    }

    /// Reads the failed runs, unless they are those of an earlier job with this id. Recovery reads them too, because
    /// the next failure is added to them.
    pub(super) fn attempts(&mut self) -> Vec<Attempt> {
        let is_new = self.is_new();
        let Some(bytes) = self.fields.get("attempts").filter(|_| !is_new) else {
            return Vec::new();
        };
        read_json(bytes).or_else(|error| self.add_problem("attempts", &error).ok_or(())).unwrap_or_default()
    }

    /// Returns whether Python has enqueued the job, or another job with this id, since our own fields were
    /// written. RQ empties `started_at` then, and knows nothing of our fields.
    fn is_new(&self) -> bool {
        self.fields.get("started_at").is_some_and(<[u8]>::is_empty)
    }

    /// Returns the number of retries. RQ counts only those that handlers ask for, so its dialect has the
    /// field `retries_made`.
    pub(super) fn retries(&mut self) -> u32 {
        let is_new = self.is_new();
        match self.fields.get("retries_made") {
            Some(_) if is_new => 0,
            Some(_) => self.number("retries_made").unwrap_or(0),
            None => self.number("number_of_retries").unwrap_or(0),
        }
    }

    /// Reads intervals in whole seconds. Fractions, which Python may write, are rounded up.
    pub(super) fn intervals(&mut self, name: &str) -> Vec<u64> {
        let intervals: Vec<f64> = self.json(name).unwrap_or_default();
        intervals.into_iter().map(|seconds| seconds.max(0.0).ceil() as u64).collect()
    }

    pub(super) fn call(&mut self) -> Option<Call> {
        let with_json = match self.mode {
            ReadMode::Full => true,
            ReadMode::Run => false,
            ReadMode::Recovery => return None,
        };
        match join(self.fields).map(|data| read_call(&data, with_json)) {
            Some(Ok(call)) => Some(call),
            Some(Err(reason)) => self.add_problem("data", &reason),
            None => self.add_problem("data", "missing"),
        }
    }

    /// Returns the format of a payload that cannot be read.
    pub(super) fn serializer(&self) -> Serializer {
        let data = (self.mode != ReadMode::Recovery).then(|| join(self.fields)).flatten();
        data.map(|data| serializer_of(&data)).unwrap_or_default()
    }

    pub(super) fn status(&mut self) -> Status {
        let Some(name) = self.fields.get("status").filter(|name| !name.is_empty()) else {
            return Status::Created;
        };
        let name = String::from_utf8_lossy(name).into_owned();
        name.parse().unwrap_or_else(|()| {
            self.add_problem::<()>("status", &format!("{name:?} is not a status"));
            Status::Created
        })
    }

    /// Reads text. Bytes that are not UTF-8 become replacement characters.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.fields.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    fn parse<T: FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => self.add_problem(name, &format!("{text:?} is not {expected}")),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Option<u32> {
        self.parse(name, "a whole number")
    }

    pub(super) fn seconds(&mut self, name: &str) -> Option<i64> {
        let seconds: i64 = self.parse(name, "a whole number of seconds")?;
        match Ttl::from_seconds(seconds.min(MAX_SECONDS)) {
            Some(ttl) => Some(ttl.as_seconds()),
            None => self.add_problem(name, &format!("{seconds} s is out of range")),
        }
    }

    pub(super) fn time(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        from_iso(&text).or_else(|| self.add_problem(name, &format!("{text:?} is not a time")))
    }

    /// Reads text that RQ compresses.
    fn compressed_text(&mut self, name: &str) -> Option<String> {
        let value = self.fields.get(name)?.to_vec();
        self.inflated(name, &value)
    }

    pub(super) fn inflated(&mut self, name: &str, bytes: &[u8]) -> Option<String> {
        match inflate(bytes) {
            Ok(plain) => Some(String::from_utf8_lossy(&plain).into_owned()),
            Err(error) => self.add_problem(name, &error),
        }
    }

    pub(super) fn base64(&mut self, name: &str) -> Option<Vec<u8>> {
        match STANDARD.decode(self.fields.get(name)?) {
            Ok(bytes) => Some(bytes),
            Err(error) => self.add_problem(name, &format!("it is not base64: {error}")),
        }
    }

    /// Reads a value in any format.
    pub(super) fn value(&mut self, name: &str) -> Option<DecodedValue> {
        let value = self.fields.get(name).filter(|value| !value.is_empty())?.to_vec();
        self.decode(name, &value)
    }

    pub(super) fn decode(&mut self, name: &str, bytes: &[u8]) -> Option<DecodedValue> {
        read_value(bytes).or_else(|error| self.add_problem(name, &error).ok_or(())).ok()
    }

    pub(super) fn meta(&mut self) -> Map<String, Value> {
        if self.mode == ReadMode::Recovery {
            return Map::new();
        }
        match self.value("meta").map(|meta| meta.json) {
            Some(Value::Object(meta)) => meta,
            Some(_) => self.add_problem("meta", "it is not a dict with keys of text").unwrap_or_default(),
            None => Map::new(),
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.fields.get(name).filter(|value| !value.is_empty())?;
        read_json(value).or_else(|error| self.add_problem(name, &error).ok_or(())).ok()
    }
}
