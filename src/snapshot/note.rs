//! A sentence that is not worded yet: what the words are depends on who reads it.

use serde::Serialize;
use serde_json::{Map, Value};

/// Its code, and what it is about. The words are in `dashboard/assets/en.json`, and other languages beside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Note {
    pub(crate) code: &'static str,
    #[serde(flatten)]
    pub(crate) values: Map<String, Value>,
}

impl Note {
    pub(crate) fn new(code: &'static str) -> Self {
        Note { code, values: Map::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }
}
