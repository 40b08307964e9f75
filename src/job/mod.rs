//! What a job is, without any I/O: its id, its record, its payload, and what follows from how
//! a run of it ended.

mod attempt;
#[cfg(feature = "worker")]
mod entry;
mod fields;
mod id;
mod new;
mod payload;
mod pieces;
mod reader;
mod record;
mod repeat;
mod retry;
mod status;
mod text;
mod times;
#[cfg(feature = "worker")]
mod verdict;

pub use attempt::Attempt;
#[cfg(feature = "cli")]
pub(crate) use attempt::error_line;
#[cfg(feature = "worker")]
pub(crate) use attempt::history;
#[cfg(feature = "worker")]
pub(crate) use entry::entry_of;
pub(crate) use fields::Fields;
#[cfg(feature = "worker")]
pub(crate) use id::check_worker_name;
pub(crate) use id::{check_id, check_queue_name};
pub use new::NewJob;
pub(crate) use new::{Due, Wire};
#[cfg(feature = "cli")]
pub(crate) use payload::LARGEST;
#[cfg(feature = "cron")]
pub(crate) use payload::json_text;
pub(crate) use payload::{
    Arguments, deflate, describe_exactly, is_over_limit, parse_json, read_json, to_python, write_call,
};
pub use payload::{Call, PyValue, Serializer};
#[cfg(feature = "worker")]
pub(crate) use payload::{Mismatch, ShownArgs, ShownKwargs, fit, json_or_text, read_call, read_own_json};
pub(crate) use reader::Whose;
pub use record::Record;
pub use repeat::Repeat;
pub use retry::Retry;
#[cfg(feature = "worker")]
pub use retry::{GiveUp, Later};
pub use status::Status;
#[cfg(feature = "worker")]
pub(crate) use text::cut_error;
pub use times::Ttl;
pub(crate) use times::{DEFAULT_TIMEOUT, FAILURE_TTL, LONGEST_WAIT, from_iso, iso, list_of, parse_duration};
#[cfg(feature = "worker")]
pub(crate) use verdict::{Attempts, Outcome, Steer, Verdict, decide};
