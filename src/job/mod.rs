//! What a job is, without any I/O: its id, its record, its payload, and what follows from how
//! a run of it ended.

mod attempt;
mod chunks;
#[cfg(feature = "worker")]
mod error_line;
#[cfg(feature = "cron")]
mod excerpt;
mod id;
mod new;
#[cfg(feature = "cron")]
mod partial;
mod payload;
mod raw_hash;
mod reader;
mod record;
mod repeat;
#[cfg(feature = "worker")]
mod result_entry;
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
pub(crate) use attempt::history;
#[cfg(feature = "cron")]
pub(crate) use error_line::error_key;
#[cfg(feature = "worker")]
pub(crate) use error_line::{error_line, mentions_oom, relevant_log_line};
#[cfg(feature = "cron")]
pub(crate) use excerpt::{Excerpt, ExcerptSpec, Excerpts};
#[cfg(feature = "worker")]
pub(crate) use id::check_worker_name;
pub(crate) use id::{check_id, check_queue_name};
pub use new::NewJob;
pub(crate) use new::{Due, PayloadFormat};
#[cfg(feature = "cron")]
pub(crate) use partial::{OmittedField, RESULT_FIELDS, result_json};
#[cfg(feature = "cli")]
pub(crate) use payload::MAX_DATA_BYTES;
#[cfg(feature = "cron")]
pub(crate) use payload::json_text;
#[cfg(feature = "worker")]
pub(crate) use payload::{
    ArgsAsJson, ArgumentError, KwargsAsJson, bind, json_or_text, read_call, read_trusted_json,
};
pub(crate) use payload::{
    Arguments, deflate, describe_call, is_over_limit, parse_json, read_json, to_python, write_call,
};
pub use payload::{Call, PyValue, Serializer};
pub(crate) use raw_hash::RawHash;
#[cfg(feature = "cron")]
pub(crate) use reader::KNOWN_FIELDS;
pub(crate) use reader::ReadMode;
pub use record::Record;
pub use repeat::Repeat;
#[cfg(feature = "worker")]
pub(crate) use result_entry::encode_result_entry;
pub use retry::Retry;
#[cfg(feature = "worker")]
pub use retry::{GiveUp, Later};
pub use status::Status;
#[cfg(feature = "cron")]
pub(crate) use summary::{JobSummary, SUMMARY_FIELDS};
pub use times::Ttl;
pub(crate) use times::{
    DEFAULT_TIMEOUT, FAILURE_TTL, MAX_DELAY, format_intervals, from_iso, iso, parse_duration,
};
#[cfg(feature = "worker")]
pub(crate) use truncate::truncate_error;
#[cfg(feature = "worker")]
pub(crate) use verdict::{Outcome, RetryDirective, RetryState, Verdict, decide};
