//! Entries of RQ's stream of results, one for each run that ended.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};

use super::payload::deflate;
use super::record::{Record, SUCCESSFUL};
use super::truncate::truncate_error;
use super::verdict::Verdict;

/// RQ's type of the entry of a failed run.
const FAILED: &str = "2";

/// Returns the fields of the entry in RQ's order. They are empty for a run that RQ writes no entry for: one
/// that is retried or put back. The last argument is the execution's id, start and end.
pub(crate) fn encode_result_entry(
    verdict: &Verdict,
    record: &Record,
    worker: &str,
    (execution, started_at, ended_at): (&str, DateTime<Utc>, DateTime<Utc>),
) -> Vec<(&'static str, String)> {
    let (kind, value) = match verdict {
        Verdict::Finish { result, .. } => {
            // RQ leaves `None` out.
            let is_none = record.serializer.write(&()).is_ok_and(|none| none == *result);
            (SUCCESSFUL, (!is_none).then(|| ("return_value", STANDARD.encode(result))))
        }
        Verdict::Fail { error, .. } => {
            let text = deflate(truncate_error(error).as_bytes());
            (FAILED, Some(("exc_string", STANDARD.encode(text))))
        }
        Verdict::Retry { .. } | Verdict::Snooze { .. } | Verdict::PutBack { .. } => return Vec::new(),
    };
    let mut entry = vec![("type", kind.to_owned()), ("worker_name", worker.to_owned())];
    entry.extend(value);
    entry.push(("execution_id", execution.to_owned()));
    entry.push(("execution_started_at", unix_time(started_at)));
    entry.push(("execution_ended_at", unix_time(ended_at)));
    entry
}

/// Formats seconds since 1970 with six digits, as Python's `float` reads them.
fn unix_time(time: DateTime<Utc>) -> String {
    format!("{}.{:06}", time.timestamp(), time.timestamp_subsec_micros())
}
