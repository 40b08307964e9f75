//! Encoding of a new job as the fields of its record.

use chrono::{DateTime, Utc};

use super::chunks::{is_chunk, split};
use super::new_job::NewJob;
use super::payload::{Arguments, Serializer, deflate, describe_call, write_call};
use super::status::Status;
use super::times::{DEFAULT_TIMEOUT, Ttl, format_intervals, iso};
use crate::error::Result;

/// Encoding of a new job's fields, which depends on the dialect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayloadFormat {
    pub(crate) serializer: Serializer,
    /// `true` if the payload is compressed, as in RQ.
    pub(crate) is_compressed: bool,
    /// `true` if every field is written, as in RQ: empty fields, the description, and values that are the default.
    pub(crate) writes_all_fields: bool,
    /// `true` if the payload is spread over several fields; see `chunks.rs`.
    pub(crate) is_chunked: bool,
}

/// Fields that RQ writes empty into each new job, in its order.
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

/// The fields of a new job's record.
pub(crate) struct EncodedFields {
    pub(crate) fields: FieldList,
    /// Size in bytes before compression.
    pub(crate) size: usize,
}

type FieldList = Vec<(&'static str, Vec<u8>)>;

impl NewJob {
    /// Encodes the job, with the fields in RQ's order and `created_at` first. `rng` returns numbers from 0
    /// to 1.
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
        let mut fields: FieldList = vec![("created_at", iso(now).into())];
        let payload_size = self.encode_payload(arguments, format, &mut fields)?;
        self.encode_retries(format, rng, &mut fields);
        add(&mut fields, "origin", Some(origin.to_owned()));
        // A Python worker that logs to a terminal crashes at a job without a description.
        let call =
            format.writes_all_fields.then(|| describe_call(&self.handler, arguments, format.serializer));
        add(&mut fields, "description", self.description.clone().filter(|text| !text.is_empty()).or(call));
        self.encode_times(format, now, &mut fields);
        if let Ok(Some(meta)) = &self.meta {
            fields.push(("meta", format.serializer.write(meta).map_err(|reason| self.invalid(&reason))?));
        }
        let others = fields.iter().filter(|(name, _)| !is_chunk(name));
        let size = payload_size + others.map(|(_, value)| value.len()).sum::<usize>();
        Ok(EncodedFields { fields, size })
    }

    /// Adds the payload. Returns its size before compression.
    fn encode_payload(
        &self,
        arguments: &Arguments,
        format: PayloadFormat,
        fields: &mut FieldList,
    ) -> Result<usize> {
        let data = write_call(&self.handler, arguments, format.serializer)
            .map_err(|reason| self.invalid(&reason))?;
        let size = data.len();
        let data = if format.is_compressed { deflate(&data) } else { data };
        fields.extend(if format.is_chunked { split(data) } else { vec![("data", data)] });
        if format.writes_all_fields {
            fields.extend(EMPTY_IN_RQ.map(|name| (name, Vec::new())));
        }
        Ok(size)
    }

    fn encode_retries(&self, format: PayloadFormat, rng: impl FnMut() -> f64, fields: &mut FieldList) {
        if let Some(retry) = &self.retry {
            let intervals = retry.intervals_in(format.writes_all_fields, rng);
            add(fields, "retries_left", Some(retry.max().to_string()));
            add(fields, "retry_intervals", Some(format_intervals(&intervals)));
            add(fields, "enqueue_at_front_on_retry", retry.is_at_front().then(|| "1".to_owned()));
        }
        if let Some(repeat) = &self.repeat {
            add(fields, "repeats_left", Some(repeat.times().to_string()));
            add(fields, "repeat_intervals", Some(format_intervals(repeat.intervals())));
        }
    }

    /// Adds the status, the times and the limits. Without `writes_all_fields` the defaults, which a reader
    /// assumes, are left out.
    fn encode_times(&self, format: PayloadFormat, now: DateTime<Utc>, fields: &mut FieldList) {
        let is_scheduled = self.due.is_some();
        add(fields, "enqueued_at", (format.writes_all_fields && !is_scheduled).then(|| iso(now)));
        add(fields, "enqueue_at_front", (is_scheduled && self.at_front).then(|| "1".to_owned()));
        let is_default = !format.writes_all_fields && self.timeout == DEFAULT_TIMEOUT.as_seconds();
        add(fields, "timeout", (!is_default).then(|| self.timeout.to_string()));
        let seconds = |ttl: Option<Ttl>| ttl.map(|ttl| ttl.to_string());
        add(fields, "result_ttl", seconds(self.result_ttl));
        add(fields, "failure_ttl", seconds(self.failure_ttl));
        let status = if is_scheduled { Status::Scheduled } else { Status::Queued };
        add(fields, "status", Some(status.to_string()));
        add(fields, "ttl", self.expires().map(|seconds| seconds.to_string()));
    }
}

fn add(fields: &mut FieldList, name: &'static str, value: Option<String>) {
    fields.extend(value.map(|value| (name, value.into_bytes())));
}
