//! A record as far as it can be shown: what is too large is left out, and named.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::chunks::join;
use super::excerpt::{ExcerptSpec, Excerpts};
use super::payload::{inflate_head, is_displayable_within, preview_call, read_value};
use super::raw_hash::RawHash;
use super::reader::ReadMode;
use super::record::SUCCESSFUL;
use super::{Record, Status};

/// A field that is left out, and how it begins.
pub(crate) type OmittedField = (String, Vec<u8>);

impl Record {
    /// Reads what fits, of values of at most so many bytes, from a hash and the newest entry of its results. Also
    /// returns which fields of the record are left out.
    pub(crate) fn read_within(
        id: &str,
        (mut fields, mut entry): (RawHash, RawHash),
        mut cut: Vec<OmittedField>,
        most: usize,
    ) -> (Self, Vec<&'static str>) {
        leave_out_more(&fields, &entry, &mut cut, most);
        let is_kept = |(name, _): &(Vec<u8>, Vec<u8>)| !cut.iter().any(|(other, _)| other.as_bytes() == name);
        fields.0.retain(is_kept);
        entry.0.retain(is_kept);
        let mut record = Record::read(id, &fields, ReadMode::Full);
        let is_cut = |name: &str| cut.iter().any(|(other, _)| other == name);
        if let Some((_, head)) = cut.iter().find(|(name, _)| name == "data") {
            let seen = preview_call(head, false);
            record.problems.retain(|problem| problem != "data: missing");
            record.handler = seen.handler;
            if record.description.is_empty() && !is_cut("description") {
                record.description = seen.description.unwrap_or_default();
            }
        }
        let is_told = record.status.has_ended() || record.repeats_left.is_some();
        if !entry.0.is_empty() && is_told {
            record.apply_result_entry(&entry);
            record.result = record.result.filter(|_| !is_cut("return_value"));
        }
        let mut names: Vec<&str> = cut.iter().flat_map(|(name, _)| shown_as(name)).copied().collect();
        names.sort_unstable();
        names.dedup();
        (record, names)
    }
}

/// Of what is small in Redis, what is too large once it is inflated, or has one part many times.
fn leave_out_more(fields: &RawHash, entry: &RawHash, cut: &mut Vec<OmittedField>, most: usize) {
    let mut check = |name: &str, bytes: &[u8], is_text: bool| {
        let (plain, is_all) = inflate_head(bytes, most);
        if !is_all || !is_text && !is_displayable_within(&plain, most) {
            cut.push((name.to_owned(), plain.into_owned()));
        }
    };
    if let Some(data) = join(fields) {
        check("data", &data, false);
    }
    for (name, is_text) in [("result", false), ("meta", false), ("exc_info", true)] {
        if let Some(value) = fields.get(name) {
            check(name, value, is_text);
        }
    }
    for (name, is_text) in [("return_value", false), ("exc_string", true)] {
        if let Some(value) = entry.get(name).and_then(|value| STANDARD.decode(value).ok()) {
            check(name, &value, is_text);
        }
    }
}

/// The fields of a record that are read from this one.
fn shown_as(name: &str) -> &'static [&'static str] {
    const SAME: [&str; 9] =
        ["result", "meta", "exc_info", "log", "description", "attempts", "origin", "worker_name", "group_id"];
    match name {
        "data" => &["args", "kwargs"],
        "return_value" => &["result"],
        "exc_string" | "retry_error" => &["exc_info"],
        name => SAME.iter().position(|same| *same == name).map_or(&["other"], |at| &SAME[at..=at]),
    }
}

/// How large a result may be that is given out as it is stored, as base64 in a stream.
const LARGEST_RESULT: usize = 8 * 1024 * 1024;

/// What a result is read from.
pub(crate) const RESULT_FIELDS: &[ExcerptSpec] = &[
    ("status", 100, 0),
    ("repeats_left", 100, 0),
    ("result", LARGEST_RESULT, 0),
    ("type", 100, 0),
    ("return_value", LARGEST_RESULT, 0),
];

/// The result of a job as JSON text, if it has one. One that is large is as it was stored; an error when it is too
/// large for that, or cannot be read.
pub(crate) fn result_json(parts: &Excerpts, most: usize) -> Result<Option<String>, String> {
    let too_large = || "it is too large to be sent".to_owned();
    let status = parts.text("status").and_then(|word| word.parse::<Status>().ok());
    let is_told = status.is_some_and(Status::has_ended) || parts.get("repeats_left").is_some();
    let is_success = is_told && parts.text("type").as_deref() == Some(SUCCESSFUL);
    let bytes = match parts.get("return_value").filter(|_| is_success) {
        Some(part) if !part.is_whole => return Err(too_large()),
        Some(part) => STANDARD.decode(&part.head).map_err(|error| error.to_string())?,
        None => match parts.get("result").filter(|part| !part.head.is_empty()) {
            Some(part) if !part.is_whole => return Err(too_large()),
            Some(part) => part.head.clone(),
            None if is_success => b"null".to_vec(),
            None => return Ok(None),
        },
    };
    if !is_displayable_within(&bytes, most) {
        return match String::from_utf8(bytes) {
            Ok(text) if text.trim_start().starts_with(['[', '{', '"']) => Ok(Some(text)),
            _ => Err(too_large()),
        };
    }
    let value = read_value(&bytes)?.json;
    Ok(Some(serde_json::to_string_pretty(&value).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::super::payload::deflate;
    use super::{RawHash, Record};

    fn fields(pairs: &[(&str, &[u8])]) -> RawHash {
        RawHash(pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect())
    }

    #[test]
    fn what_is_too_large_is_named_and_the_rest_is_there() {
        let bomb = deflate(format!("[\"mark\", null, [{}1], {{}}]", "1, ".repeat(100_000)).as_bytes());
        let hash =
            fields(&[("data", &bomb), ("status", b"failed"), ("result", b"[1]"), ("exc_info", b"boom")]);
        let cut = vec![("webhooks".to_owned(), Vec::new()), ("description".to_owned(), b"mark".to_vec())];
        let (record, cut) = Record::read_within("id", (hash, RawHash::default()), cut, 1000);
        assert_eq!(cut, ["args", "description", "kwargs", "other"]);
        assert_eq!((record.handler.as_deref(), record.args.len()), (Some("mark"), 0));
        assert_eq!((record.exc_info.as_deref(), record.problems.len()), (Some("boom"), 0));
        assert_eq!(record.result, Some(serde_json::json!([1])));
        let hash = fields(&[("data", b"[\"f\", null, [1], {}]"), ("exc_info", &deflate(&[b'x'; 5000]))]);
        let (record, cut) = Record::read_within("id", (hash, RawHash::default()), Vec::new(), 1000);
        assert_eq!((record.args.len(), record.exc_info, cut), (1, None, vec!["exc_info"]));
    }
}
