//! Summary of a job for lists, read from excerpts of its record, however large the record is.

use base64::Engine as _;
use base64::engine::GeneralPurposeConfig;
use base64::engine::general_purpose::GeneralPurpose;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::chunks::CHUNK_FIELDS;
use super::error_key::error_key;
use super::error_line::error_line;
use super::excerpt::{Excerpt, ExcerptSpec, Excerpts};
use super::payload::{CallPreview, inflate_head, preview_call};
use super::raw_hash::RawHash;
use super::reader::{ReadMode, RecordReader};
use super::record::SUCCESSFUL;
use super::status::Status;

/// Largest error text in bytes, inflated.
const MAX_ERROR_TEXT: usize = 256 * 1024;
/// Number of bytes that are read of a description.
const DESCRIPTION: usize = 4096;
/// Number of bytes that are read of a short field.
const SHORT: usize = 300;
/// Number of bytes that are read of a payload in one field.
const PAYLOAD: usize = 16 * 1024;
/// Number of bytes that are read of the beginning and of the end of an error.
const ERROR_HEAD: usize = 64 * 1024;
const ERROR_TAIL: usize = 4096;

/// Fields of the record, and of the newest entry of its results, from which a summary is read.
pub(crate) const SUMMARY_FIELDS: &[ExcerptSpec] = &[
    ("status", SHORT, 0),
    ("origin", SHORT, 0),
    ("description", DESCRIPTION, 0),
    ("created_at", SHORT, 0),
    ("enqueued_at", SHORT, 0),
    ("started_at", SHORT, 0),
    ("ended_at", SHORT, 0),
    ("worker_name", SHORT, 0),
    ("number_of_retries", SHORT, 0),
    ("retries_made", SHORT, 0),
    ("retries_left", SHORT, 0),
    ("repeats_left", SHORT, 0),
    (CHUNK_FIELDS[0], PAYLOAD, 0),
    (CHUNK_FIELDS[1], SHORT, 0),
    (CHUNK_FIELDS[2], SHORT, 0),
    (CHUNK_FIELDS[3], SHORT, 0),
    (CHUNK_FIELDS[4], SHORT, 0),
    (CHUNK_FIELDS[5], SHORT, 0),
    (CHUNK_FIELDS[6], SHORT, 0),
    (CHUNK_FIELDS[7], SHORT, 0),
    ("exc_info", ERROR_HEAD, ERROR_TAIL),
    ("retry_error", ERROR_HEAD, ERROR_TAIL),
    // The newest entry of the results.
    ("type", SHORT, 0),
    ("exc_string", ERROR_HEAD, 0),
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
    /// The description, at most its first 4 KiB.
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
    /// Reads a summary. Never fails: fields that cannot be read are empty.
    pub(crate) fn read(id: &str, excerpts: &Excerpts) -> Self {
        let is_short =
            |(name, _): &&(&str, Excerpt)| !["data", "exc_info", "retry_error", "exc_string"].contains(name);
        let short = excerpts.0.iter().filter(is_short);
        let fields =
            RawHash(short.map(|(name, excerpt)| (name.as_bytes().to_vec(), excerpt.head.clone())).collect());
        let mut reader = RecordReader { fields: &fields, mode: ReadMode::Recovery, problems: Vec::new() };
        let status = reader.status();
        let CallPreview { handler, description } = preview_payload(excerpts);
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
            error: read_error(excerpts, status, is_repeated).filter(|text| !text.is_empty()),
            number_of_retries: reader.retries(),
            retries_left: reader.number("retries_left"),
        }
    }

    /// Returns what the error has in common with other errors of the same kind.
    pub(crate) fn error_key(&self) -> Option<String> {
        self.error.as_deref().map(|text| error_key(error_line(text)))
    }
}

fn preview_payload(excerpts: &Excerpts) -> CallPreview {
    let Some(first) = excerpts.get(CHUNK_FIELDS[0]) else { return CallPreview::default() };
    let chunk = |name: &&str| excerpts.get(name).map(|excerpt| excerpt.head.as_slice());
    let rest: Vec<&[u8]> = CHUNK_FIELDS[1..].iter().map_while(chunk).collect();
    match rest.is_empty() {
        true => preview_call(&first.head, first.is_whole),
        false => preview_call(&[&[first.head.as_slice()], rest.as_slice()].concat().concat(), true),
    }
}

/// Reads the error as a full record does: before a retry from a field of ours, otherwise from the results
/// of a job that has ended, or from RQ's field.
fn read_error(excerpts: &Excerpts, status: Status, is_repeated: bool) -> Option<String> {
    if let Some(error) = excerpts.get("retry_error").filter(|_| !status.has_ended()) {
        return Some(inflated_text(error));
    }
    let entry = excerpts.get("exc_string").filter(|_| status.has_ended() || is_repeated);
    match entry.filter(|_| excerpts.text("type").as_deref() != Some(SUCCESSFUL)) {
        Some(entry) => decoded_text(entry),
        None => excerpts.get("exc_info").map(inflated_text),
    }
}

/// Returns text that may be compressed, and of which only the ends may be there.
fn inflated_text(excerpt: &Excerpt) -> String {
    let (head, _) = inflate_head(&excerpt.head, MAX_ERROR_TEXT);
    let mut text = String::from_utf8_lossy(&head).into_owned();
    let is_plain = matches!(head, std::borrow::Cow::Borrowed(_));
    if is_plain && !excerpt.tail.is_empty() {
        text = format!("{text}\n…\n{}", String::from_utf8_lossy(&excerpt.tail));
    }
    text
}

/// Returns text in base64, of which only the beginning may be there.
fn decoded_text(excerpt: &Excerpt) -> Option<String> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, lenient);
    let whole = excerpt.head.len() / 4 * 4;
    let bytes = engine.decode(&excerpt.head[..whole]).ok()?;
    Some(inflated_text(&Excerpt { is_whole: excerpt.is_whole, ..Excerpt::whole(bytes) }))
}
