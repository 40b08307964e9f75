//! A call as it was read from a payload.

use std::sync::Arc;

#[cfg(feature = "worker")]
use serde::Serialize;
use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::describe::{describe, describe_call};
#[cfg(feature = "worker")]
use super::python::as_json::AsJson;
use super::serializer::Serializer;

/// The call of a job: a handler by name, with positional and keyword arguments, as in RQ.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// Name of the handler.
    pub handler: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
    /// The arguments as Python values, if JSON cannot hold them without loss. `args` and `kwargs` may be
    /// empty then.
    pub(crate) exact: Option<Arc<Arguments>>,
    /// Format of the payload.
    pub(crate) serializer: Serializer,
}

impl Call {
    /// Makes the call of a payload that cannot be read here.
    #[cfg(feature = "worker")]
    pub(crate) fn unknown() -> Self {
        let serializer = Serializer::Pickle;
        Call { handler: String::new(), args: Vec::new(), kwargs: Map::new(), exact: None, serializer }
    }

    /// Returns the call as source code: `send_email("ada@example.com", retries=3)`. Values are written in
    /// the language of the payload, JSON or Python. Each argument is cut at 75 characters, as RQ does, and
    /// at most 200 arguments are written.
    pub fn describe(&self) -> String {
        match &self.exact {
            Some(exact) => describe_call(&self.handler, exact, self.serializer),
            None => describe(&self.handler, self.args.iter(), self.kwargs.iter()),
        }
    }
}

/// Serializes the positional arguments of a call as JSON shows them.
#[cfg(feature = "worker")]
pub(crate) struct ArgsAsJson<'a>(pub(crate) &'a Call);

#[cfg(feature = "worker")]
impl Serialize for ArgsAsJson<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.exact {
            Some(exact) => serializer.collect_seq(exact.args.iter().map(AsJson)),
            None => self.0.args.serialize(serializer),
        }
    }
}

/// Serializes the keyword arguments of a call as JSON shows them.
#[cfg(feature = "worker")]
pub(crate) struct KwargsAsJson<'a>(pub(crate) &'a Call);

#[cfg(feature = "worker")]
impl Serialize for KwargsAsJson<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.exact {
            Some(exact) => {
                serializer.collect_map(exact.kwargs.iter().map(|(name, value)| (name, AsJson(value))))
            }
            None => self.0.kwargs.serialize(serializer),
        }
    }
}
