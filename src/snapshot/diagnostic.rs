//! A diagnostic code with parameters. Its sentence ([`messages`](super::messages)) depends on the reader's language.

use serde::Serialize;
use serde_json::{Map, Value};

/// An explanation or a warning before it is put into words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Diagnostic {
    pub(crate) code: &'static str,
    #[serde(flatten)]
    pub(crate) values: Map<String, Value>,
}

impl Diagnostic {
    pub(crate) fn new(code: &'static str) -> Self {
        Diagnostic { code, values: Map::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }
}
