//! An entry of RQ's stream of results: how one run ended.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};

use super::record::SUCCESSFUL;
use super::{Record, Verdict, deflate, truncate_error};

const FAILED: &str = "2";

/// The fields of the entry in RQ's order; none for runs that RQ writes none for, those that are
/// tried again or put back. `ran` is the execution, its begin and its end.
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

/// Seconds with six digits, as a Python float reads them.
fn unix_time(time: DateTime<Utc>) -> String {
    format!("{}.{:06}", time.timestamp(), time.timestamp_subsec_micros())
}
