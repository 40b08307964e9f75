//! Readers of replies. A reply of another shape than the reader expects is [`Error::Corrupt`].

use super::Reply;
use crate::error::{Error, Result};

pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads an integer; `Nil` is 0.
pub(crate) fn int(reply: &Reply) -> Result<i64> {
    match reply {
        Reply::Int(n) => Ok(*n),
        Reply::Nil => Ok(0),
        other => Err(unexpected(other)),
    }
}

/// Reads a list; `Nil` is empty.
pub(crate) fn list(reply: Reply) -> Result<Vec<Reply>> {
    match reply {
        Reply::Array(items) | Reply::Set(items) => Ok(items),
        Reply::Nil => Ok(Vec::new()),
        other => Err(unexpected(&other)),
    }
}

/// Reads a string; `None` for `Nil` and for a script's `false`.
pub(crate) fn bytes(reply: Reply) -> Result<Option<Vec<u8>>> {
    match reply {
        Reply::BulkString(bytes) => Ok(Some(bytes)),
        Reply::SimpleString(text) => Ok(Some(text.into_bytes())),
        Reply::Okay => Ok(Some(b"OK".to_vec())),
        Reply::Nil | Reply::Boolean(false) => Ok(None),
        other => Err(unexpected(&other)),
    }
}

/// Reads a string; bytes that are not UTF-8 become replacement characters.
pub(crate) fn text(reply: Reply) -> Result<Option<String>> {
    Ok(bytes(reply)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Reads a list of strings, without those that are `Nil`.
pub(crate) fn texts(reply: Reply) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for item in list(reply)? {
        texts.extend(text(item)?);
    }
    Ok(texts)
}

/// Reads the field-value pairs of a hash.
pub(crate) fn pairs(reply: Reply) -> Result<Pairs> {
    let mut items = list(reply)?.into_iter();
    let mut pairs = Vec::with_capacity(items.len() / 2);
    while let (Some(field), Some(value)) = (items.next(), items.next()) {
        pairs.push((bytes(field)?.unwrap_or_default(), bytes(value)?.unwrap_or_default()));
    }
    Ok(pairs)
}

/// Reads the first entry of a range of a stream: its id, and its field-value pairs.
pub(crate) fn first_stream_entry(reply: Reply) -> Result<Option<(String, Pairs)>> {
    let Some(entry) = list(reply)?.into_iter().next() else { return Ok(None) };
    let mut parts = list(entry)?.into_iter();
    let id = text(parts.next().unwrap_or_default())?.unwrap_or_default();
    Ok(Some((id, pairs(parts.next().unwrap_or_default())?)))
}

fn unexpected(reply: &Reply) -> Error {
    let mut what = format!("a reply of Redis: {reply:?}");
    what.truncate(what.floor_char_boundary(200));
    Error::Corrupt { what }
}
