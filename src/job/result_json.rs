//! The result of a job as JSON text, without its record.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::excerpt::{ExcerptSpec, Excerpts};
use super::payload::{is_displayable_within, read_value};
use super::record::SUCCESSFUL;
use super::status::Status;

/// Largest result in bytes that is returned as it is stored (in a stream as base64).
const MAX_STORED_RESULT: usize = 8 * 1024 * 1024;

/// Fields of the record, and of the newest entry of its results, from which a result is read.
pub(crate) const RESULT_FIELDS: &[ExcerptSpec] = &[
    ("status", 100, 0),
    ("repeats_left", 100, 0),
    ("result", MAX_STORED_RESULT, 0),
    ("type", 100, 0),
    ("return_value", MAX_STORED_RESULT, 0),
];

/// Returns the result of a job as JSON text, if the job has one. A result of more than `max_bytes` is
/// returned as it is stored if that is JSON. Fails if it is too large or cannot be read.
pub(crate) fn result_json(excerpts: &Excerpts, max_bytes: usize) -> Result<Option<String>, String> {
    let too_large = || "it is too large to be sent".to_owned();
    let status = excerpts.text("status").and_then(|name| name.parse::<Status>().ok());
    let has_result = status.is_some_and(Status::has_ended) || excerpts.get("repeats_left").is_some();
    let is_success = has_result && excerpts.text("type").as_deref() == Some(SUCCESSFUL);
    let bytes = match excerpts.get("return_value").filter(|_| is_success) {
        Some(excerpt) if !excerpt.is_whole => return Err(too_large()),
        Some(excerpt) => STANDARD.decode(&excerpt.head).map_err(|error| error.to_string())?,
        None => match excerpts.get("result").filter(|excerpt| !excerpt.head.is_empty()) {
            Some(excerpt) if !excerpt.is_whole => return Err(too_large()),
            Some(excerpt) => excerpt.head.clone(),
            None if is_success => b"null".to_vec(),
            None => return Ok(None),
        },
    };
    if !is_displayable_within(&bytes, max_bytes) {
        return match String::from_utf8(bytes) {
            Ok(text) if text.trim_start().starts_with(['[', '{', '"']) => Ok(Some(text)),
            _ => Err(too_large()),
        };
    }
    let value = read_value(&bytes)?.json;
    Ok(Some(serde_json::to_string_pretty(&value).unwrap_or_default()))
}
