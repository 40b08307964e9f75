//! The two formats of payloads, meta and results.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Format in which the values of a job are written: its arguments, meta and result. RQ's option `-S`.
///
/// Serialized as `json` or `pickle`. The default of the native dialect is JSON, that of RQ's dialect is
/// pickle. Readers recognize both formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serializer {
    /// JSON.
    #[default]
    Json,
    /// Python's pickle, restricted to plain data.
    Pickle,
}

impl Serializer {
    /// Returns the format of encoded bytes. A pickle never begins as JSON does.
    pub(super) fn detect(bytes: &[u8]) -> Self {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        match first.is_some_and(|byte| b"[{\"-0123456789tfn".contains(byte)) {
            true => Serializer::Json,
            false => Serializer::Pickle,
        }
    }
}

impl fmt::Display for Serializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Serializer::Json => "json",
            Serializer::Pickle => "pickle",
        })
    }
}

impl FromStr for Serializer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "json" => Ok(Serializer::Json),
            "pickle" => Ok(Serializer::Pickle),
            _ => Err(format!("{name:?} is not a serializer: json or pickle")),
        }
    }
}
