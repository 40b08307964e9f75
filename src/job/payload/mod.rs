//! A call: handler name, positional and keyword arguments, and its two borders: bytes in Redis
//! and values of the user's own types.

mod arguments;
#[cfg(feature = "worker")]
mod fit;
mod json;

pub(crate) use arguments::Arguments;
#[cfg(feature = "worker")]
pub(crate) use fit::{Mismatch, fit};
pub(crate) use json::{read_call, write_call};

use serde_json::{Map, Value};

/// What a job calls: a handler by name, with positional and keyword arguments, as in RQ.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// The handler's name.
    pub handler: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
}

impl Call {
    /// As Python would write it: `send_email("ada@example.com", retries=3)`; each argument is
    /// cut at 75 characters, as RQ does.
    pub fn describe(&self) -> String {
        let short = |value: &Value| {
            let text = value.to_string();
            match text.char_indices().nth(75) {
                Some((end, _)) => format!("{}...", &text[..end]),
                None => text,
            }
        };
        let args = self.args.iter().map(short);
        let kwargs = self.kwargs.iter().map(|(name, value)| format!("{name}={}", short(value)));
        let all: Vec<String> = args.chain(kwargs).collect();
        format!("{}({})", self.handler, all.join(", "))
    }
}
