//! Jobs without any I/O: ids, records, payloads, and what follows from the outcome of a run.

mod attempt;
mod chunks;
mod encode;
#[cfg(feature = "cron")]
mod error_key;
#[cfg(feature = "worker")]
mod error_line;
#[cfg(feature = "cron")]
mod excerpt;
#[cfg(feature = "worker")]
mod handler_errors;
mod id;
#[cfg(feature = "cron")]
mod job_spec;
mod new_job;
#[cfg(feature = "worker")]
mod outcome;
#[cfg(feature = "cron")]
mod partial;
mod payload;
mod raw_hash;
mod reader;
mod record;
mod repeat;
#[cfg(feature = "worker")]
mod result_entry;
#[cfg(feature = "cron")]
mod result_json;
mod retry;
mod status;
#[cfg(feature = "cron")]
mod summary;
mod times;
mod truncate;
#[cfg(feature = "worker")]
mod verdict;

pub use attempt::Attempt;
#[cfg(feature = "worker")]
pub(crate) use attempt::encode_attempts;
pub(crate) use encode::PayloadFormat;
#[cfg(feature = "cron")]
pub(crate) use error_key::error_key;
#[cfg(feature = "worker")]
pub(crate) use error_line::{error_line, mentions_oom, relevant_log_line};
#[cfg(feature = "cron")]
pub(crate) use excerpt::{Excerpt, ExcerptSpec, Excerpts};
#[cfg(feature = "worker")]
pub use handler_errors::{GiveUp, Later};
#[cfg(feature = "worker")]
pub(crate) use id::check_worker_name;
pub(crate) use id::{check_id, check_queue_name};
#[cfg(feature = "cron")]
pub(crate) use job_spec::JobSpec;
pub(crate) use new_job::Due;
pub use new_job::NewJob;
#[cfg(feature = "worker")]
pub(crate) use outcome::{Outcome, RetryDirective};
#[cfg(feature = "cron")]
pub(crate) use partial::OmittedField;
#[cfg(feature = "cli")]
pub(crate) use payload::MAX_DATA_BYTES;
#[cfg(feature = "worker")]
pub(crate) use payload::{
    ArgsAsJson, ArgumentError, KwargsAsJson, bind, json_or_text, read_call, read_trusted_json,
};
pub(crate) use payload::{Arguments, is_over_limit, parse_json, read_json, to_python};
pub use payload::{Call, PyValue, Serializer};
pub(crate) use raw_hash::RawHash;
#[cfg(feature = "cron")]
pub(crate) use reader::KNOWN_FIELDS;
pub(crate) use reader::ReadMode;
pub use record::Record;
pub use repeat::Repeat;
#[cfg(feature = "worker")]
pub(crate) use result_entry::encode_result_entry;
#[cfg(feature = "cron")]
pub(crate) use result_json::{RESULT_FIELDS, result_json};
pub use retry::Retry;
pub use status::Status;
#[cfg(feature = "cron")]
pub(crate) use summary::{JobSummary, SUMMARY_FIELDS};
pub use times::Ttl;
pub(crate) use times::{
    DEFAULT_TIMEOUT, FAILURE_TTL, MAX_DELAY, format_intervals, from_iso, from_unix_seconds, iso,
    parse_duration,
};
#[cfg(feature = "worker")]
pub(crate) use truncate::truncate_error;
#[cfg(feature = "worker")]
pub(crate) use verdict::{RetryState, Verdict, decide};
