//! A record without the fields that are too large to be shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::chunks::join;
use super::payload::{inflate_head, is_displayable_within, preview_call};
use super::raw_hash::RawHash;
use super::reader::ReadMode;
use super::record::Record;

/// Name of a field that is left out, and the beginning of its value.
pub(crate) type OmittedField = (String, Vec<u8>);

impl Record {
    /// Reads a record and the newest entry of its results without values of more than `max_bytes`.
    /// `omitted` are the fields that were not read from Redis. Returns the names of all fields of the
    /// record that are left out.
    pub(crate) fn read_within(
        id: &str,
        (mut fields, mut entry): (RawHash, RawHash),
        mut omitted: Vec<OmittedField>,
        max_bytes: usize,
    ) -> (Self, Vec<&'static str>) {
        add_inflated_fields(&fields, &entry, &mut omitted, max_bytes);
        let is_kept =
            |(name, _): &(Vec<u8>, Vec<u8>)| !omitted.iter().any(|(field, _)| field.as_bytes() == name);
        fields.0.retain(is_kept);
        entry.0.retain(is_kept);
        let mut record = Record::read(id, &fields, ReadMode::Full);
        let is_omitted = |name: &str| omitted.iter().any(|(field, _)| field == name);
        if let Some((_, head)) = omitted.iter().find(|(name, _)| name == "data") {
            let preview = preview_call(head, false);
            record.problems.retain(|problem| problem != "data: missing");
            record.handler = preview.handler;
            if record.description.is_empty() && !is_omitted("description") {
                record.description = preview.description.unwrap_or_default();
            }
        }
        let has_result = record.status.has_ended() || record.repeats_left.is_some();
        if !entry.0.is_empty() && has_result {
            record.apply_result_entry(&entry);
            record.result = record.result.filter(|_| !is_omitted("return_value"));
        }
        let mut names: Vec<&str> =
            omitted.iter().flat_map(|(name, _)| record_fields(name)).copied().collect();
        names.sort_unstable();
        names.dedup();
        (record, names)
    }
}

/// Adds values that are small in Redis but too large once they are inflated, or because they refer to one
/// part many times.
fn add_inflated_fields(fields: &RawHash, entry: &RawHash, omitted: &mut Vec<OmittedField>, max_bytes: usize) {
    let mut check = |name: &str, bytes: &[u8], is_text: bool| {
        let (plain, is_all) = inflate_head(bytes, max_bytes);
        if !is_all || !is_text && !is_displayable_within(&plain, max_bytes) {
            omitted.push((name.to_owned(), plain.into_owned()));
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

/// Returns the fields of a record that are read from a field of the hash.
fn record_fields(name: &str) -> &'static [&'static str] {
    const SAME: [&str; 9] =
        ["result", "meta", "exc_info", "log", "description", "attempts", "origin", "worker_name", "group_id"];
    match name {
        "data" => &["args", "kwargs"],
        "return_value" => &["result"],
        "exc_string" | "retry_error" => &["exc_info"],
        name => SAME.iter().position(|same| *same == name).map_or(&["other"], |at| &SAME[at..=at]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::payload::deflate;
    use super::{RawHash, Record};

    fn fields(pairs: &[(&str, &[u8])]) -> RawHash {
        RawHash(pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect())
    }

    #[test]
    fn fields_that_are_too_large_are_named_and_the_others_are_read() {
        let bomb = deflate(format!("[\"mark\", null, [{}1], {{}}]", "1, ".repeat(100_000)).as_bytes());
        let hash =
            fields(&[("data", &bomb), ("status", b"failed"), ("result", b"[1]"), ("exc_info", b"boom")]);
        let omitted = vec![("webhooks".to_owned(), Vec::new()), ("description".to_owned(), b"mark".to_vec())];
        let (record, omitted) = Record::read_within("id", (hash, RawHash::default()), omitted, 1000);
        assert_eq!(omitted, ["args", "description", "kwargs", "other"]);
        assert_eq!((record.handler.as_deref(), record.args.len()), (Some("mark"), 0));
        assert_eq!((record.exc_info.as_deref(), record.problems.len()), (Some("boom"), 0));
        assert_eq!(record.result, Some(serde_json::json!([1])));
        let hash = fields(&[("data", b"[\"f\", null, [1], {}]"), ("exc_info", &deflate(&[b'x'; 5000]))]);
        let (record, omitted) = Record::read_within("id", (hash, RawHash::default()), Vec::new(), 1000);
        assert_eq!((record.args.len(), record.exc_info, omitted), (1, None, vec!["exc_info"]));
    }
}
