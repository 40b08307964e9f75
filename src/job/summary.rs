//! A job in a list: what is read of its record when many are shown, however large the rest is.

use base64::Engine as _;
use base64::engine::GeneralPurposeConfig;
use base64::engine::general_purpose::GeneralPurpose;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::chunks::CHUNK_FIELDS;
use super::excerpt::{Excerpt, ExcerptSpec, Excerpts};
use super::payload::{CallPreview, inflate_head, preview_call};
use super::raw_hash::RawHash;
use super::reader::{ReadMode, RecordReader};
use super::record::SUCCESSFUL;
use super::{Status, error_key, error_line};

/// How much of an error is looked through, once it is inflated.
const ERROR: usize = 256 * 1024;
/// How much is read of texts that rows show, and of those that are short.
const TEXT: usize = 4096;
const WORD: usize = 300;

/// What a row is read from.
pub(crate) const SUMMARY_FIELDS: &[ExcerptSpec] = &[
    ("status", WORD, 0),
    ("origin", WORD, 0),
    ("description", TEXT, 0),
    ("created_at", WORD, 0),
    ("enqueued_at", WORD, 0),
    ("started_at", WORD, 0),
    ("ended_at", WORD, 0),
    ("worker_name", WORD, 0),
    ("number_of_retries", WORD, 0),
    ("retries_made", WORD, 0),
    ("retries_left", WORD, 0),
    ("repeats_left", WORD, 0),
    (CHUNK_FIELDS[0], 16 * 1024, 0),
    (CHUNK_FIELDS[1], WORD, 0),
    (CHUNK_FIELDS[2], WORD, 0),
    (CHUNK_FIELDS[3], WORD, 0),
    (CHUNK_FIELDS[4], WORD, 0),
    (CHUNK_FIELDS[5], WORD, 0),
    (CHUNK_FIELDS[6], WORD, 0),
    (CHUNK_FIELDS[7], WORD, 0),
    ("exc_info", 64 * 1024, 4096),
    ("retry_error", 64 * 1024, 4096),
    // Of the newest entry of the results.
    ("type", WORD, 0),
    ("exc_string", 64 * 1024, 0),
];

/// A job's record without arguments, meta and result. As JSON it is a row of a list.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct JobSummary {
    pub(crate) id: String,
    /// `None` when the record has expired or cannot be read.
    pub(crate) status: Option<Status>,
    pub(crate) origin: String,
    /// `None` when the payload cannot be read.
    pub(crate) handler: Option<String>,
    /// At most the first 4 KiB.
    pub(crate) description: String,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) enqueued_at: Option<DateTime<Utc>>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// Time at which a scheduled job goes to its queue. It is a score of the registry and no field of the
    /// record, so it is set by the caller.
    pub(crate) due: Option<DateTime<Utc>>,
    pub(crate) worker_name: Option<String>,
    /// Text of the error, at most 256 KiB.
    pub(crate) error: Option<String>,
    pub(crate) number_of_retries: u32,
    pub(crate) retries_left: Option<u32>,
}

impl JobSummary {
    pub(crate) fn read(id: &str, parts: &Excerpts) -> Self {
        let is_short =
            |(name, _): &&(&str, Excerpt)| !["data", "exc_info", "retry_error", "exc_string"].contains(name);
        let short = parts.0.iter().filter(is_short);
        let fields =
            RawHash(short.map(|(name, part)| (name.as_bytes().to_vec(), part.head.clone())).collect());
        let mut reader = RecordReader { fields: &fields, mode: ReadMode::Recovery, problems: Vec::new() };
        let status = reader.status();
        let CallPreview { handler, description } = payload(parts);
        let described = reader.text("description").filter(|text| !text.is_empty());
        let (created_at, enqueued_at) = reader.created_and_enqueued(status);
        let is_repeated = reader.number("repeats_left").is_some();
        JobSummary {
            id: id.to_owned(),
            status: Some(status),
            origin: reader.text("origin").unwrap_or_default(),
            handler,
            description: described.or(description).unwrap_or_default(),
            created_at,
            enqueued_at,
            started_at: reader.time("started_at"),
            ended_at: reader.time("ended_at"),
            due: None,
            worker_name: reader.text("worker_name").filter(|name| !name.is_empty()),
            error: error(parts, status, is_repeated).filter(|text| !text.is_empty()),
            number_of_retries: reader.retries(),
            retries_left: reader.number("retries_left"),
        }
    }

    /// What says which group of failures it belongs to.
    pub(crate) fn error_key(&self) -> Option<String> {
        self.error.as_deref().map(|text| error_key(error_line(text)))
    }
}

fn payload(parts: &Excerpts) -> CallPreview {
    let Some(first) = parts.get(CHUNK_FIELDS[0]) else { return CallPreview::default() };
    let rest: Vec<&[u8]> =
        CHUNK_FIELDS[1..].iter().map_while(|name| parts.get(name).map(|part| part.head.as_slice())).collect();
    match rest.is_empty() {
        true => preview_call(&first.head, first.is_whole),
        false => preview_call(&[&[first.head.as_slice()], rest.as_slice()].concat().concat(), true),
    }
}

/// As [`Record`](super::Record) has it: of a run that is followed by another in a field of ours, else in RQ's, or in
/// the results of a job that has ended.
fn error(parts: &Excerpts, status: Status, is_repeated: bool) -> Option<String> {
    if let Some(kept) = parts.get("retry_error").filter(|_| !status.has_ended()) {
        return Some(text(kept));
    }
    let entry = parts.get("exc_string").filter(|_| status.has_ended() || is_repeated);
    match entry.filter(|_| parts.text("type").as_deref() != Some(SUCCESSFUL)) {
        Some(entry) => unpacked(entry),
        None => parts.get("exc_info").map(text),
    }
}

/// Text that may be zlib, of which there may be the ends only.
fn text(part: &Excerpt) -> String {
    let (head, _) = inflate_head(&part.head, ERROR);
    let mut text = String::from_utf8_lossy(&head).into_owned();
    let is_plain = matches!(head, std::borrow::Cow::Borrowed(_));
    if is_plain && !part.tail.is_empty() {
        text = format!("{text}\n…\n{}", String::from_utf8_lossy(&part.tail));
    }
    text
}

/// Base64 of the same; its beginning is as good as the whole.
fn unpacked(part: &Excerpt) -> Option<String> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
    let whole = part.head.len() / 4 * 4;
    let bytes = engine.decode(&part.head[..whole]).ok()?;
    Some(text(&Excerpt { is_whole: part.is_whole, ..Excerpt::whole(bytes) }))
}
