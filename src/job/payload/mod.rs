//! Payloads: a call with its arguments, and its two borders: bytes in Redis, and values of the user's own
//! types.

#[cfg(feature = "worker")]
mod argument_value;
mod arguments;
#[cfg(feature = "worker")]
mod bind;
mod call;
mod decode;
mod describe;
#[cfg(feature = "cron")]
mod display_size;
mod encode;
mod json;
mod limits;
#[cfg(feature = "cron")]
mod preview;
mod python;
mod serializer;
mod shape;
mod zlib;

pub(crate) use arguments::Arguments;
#[cfg(feature = "cron")]
pub(crate) use arguments::json_text;
#[cfg(feature = "worker")]
pub(crate) use bind::{ArgumentError, bind};
pub use call::Call;
#[cfg(feature = "worker")]
pub(crate) use call::{ArgsAsJson, KwargsAsJson};
pub(crate) use decode::{DecodedValue, read_call, read_value, serializer_of};
pub(crate) use describe::describe_call;
#[cfg(feature = "cron")]
pub(crate) use display_size::is_displayable_within;
pub(crate) use encode::write_call;
#[cfg(feature = "worker")]
pub(crate) use json::{json_or_text, read_trusted_json};
pub(crate) use json::{parse_json, read_json};
#[cfg(feature = "cli")]
pub(crate) use limits::MAX_DATA_BYTES;
pub(crate) use limits::is_over_limit;
#[cfg(feature = "cron")]
pub(crate) use preview::{CallPreview, preview_call};
pub(crate) use python::to_python::to_python;
pub use python::value::PyValue;
pub use serializer::Serializer;
#[cfg(feature = "cron")]
pub(crate) use zlib::inflate_head;
pub(crate) use zlib::{deflate, inflate};
