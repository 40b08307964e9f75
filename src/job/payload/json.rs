//! JSON text within the limits, with integers of any size.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::limits::{MAX_DEPTH, MAX_PARTS, check_bytes, too_deep, too_many};
use super::python::deserialize::BIG_INT_KEY;
use super::python::to_python::to_python;
use super::python::value::PyValue;

/// Integers of up to this many digits fit into an `i64`; readers may round longer ones.
const SAFE_DIGITS: usize = 18;

/// Parses JSON, and refuses what is over the limits.
pub(crate) fn read_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    check_json(text)?;
    read_trusted_json(text)
}

/// Parses JSON that was checked, or that another part of this program wrote. serde_json's own limit of
/// depth is off, because it is lower than ours.
pub(crate) fn read_trusted_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.disable_recursion_limit();
    let value = T::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| error.to_string())
}

/// Parses JSON text, with the order of its keys and integers of any size.
pub(crate) fn parse_json(text: &str) -> Result<PyValue, String> {
    match has_large_integers(text.as_bytes()) {
        true => parse_exactly(text.as_bytes()),
        false => read_json(text.as_bytes()),
    }
}

/// Parses JSON text, and takes anything else for a string. JSON over the limits is refused.
#[cfg(feature = "worker")]
pub(crate) fn json_or_text(text: &str) -> Result<PyValue, String> {
    match check_json(text.as_bytes()) {
        Ok(()) => Ok(parse_json(text).unwrap_or_else(|_| PyValue::from(text))),
        Err(error) if is_valid(text.as_bytes()) => Err(error),
        Err(_) => Ok(PyValue::from(text)),
    }
}

/// Returns whether the text is JSON, even if it is over the limits.
pub(super) fn is_valid(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Refusal of a float that JSON cannot hold.
const NOT_FINITE: &str = "JSON has no word for nan and inf: give them as text, or none at all";

/// Writes a value of any type; the error says what JSON cannot hold.
pub(super) fn write<T: ?Sized + Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let text = to_text(value)?;
    // serde_json writes `null` for nan and inf. Only a text with `null` in it needs a second look at the
    // value.
    let has_null = text.split(|byte| *byte == b'n').skip(1).any(|behind| behind.starts_with(b"ull"));
    match has_null.then(|| to_python(value)) {
        Some(Ok(value)) if !value.is_finite() => Err(NOT_FINITE.to_owned()),
        _ => Ok(text),
    }
}

/// Writes a Python value; the error says what JSON cannot hold.
pub(super) fn write_value(value: &PyValue) -> Result<Vec<u8>, String> {
    if value.is_finite() { to_text(value) } else { Err(NOT_FINITE.to_owned()) }
}

fn to_text<T: ?Sized + Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let text = serde_json::to_vec(value).map_err(|error| error.to_string())?;
    check_json(&text)?;
    Ok(text)
}

/// Parses JSON with integers that serde_json would round.
pub(super) fn parse_exactly(text: &[u8]) -> Result<PyValue, String> {
    check_json(text)?;
    read_trusted_json(&with_marked_integers(text))
}

/// Returns whether the text has integers that a reader may round.
pub(super) fn has_large_integers(text: &[u8]) -> bool {
    // A cheap test first: most payloads have no such run of digits, not even in a string. A run longer than
    // `SAFE_DIGITS` covers one of the sampled positions.
    let is_in_run = |at: usize| {
        let digits = |bytes: &mut dyn Iterator<Item = &u8>| bytes.take_while(|b| b.is_ascii_digit()).count();
        text[at].is_ascii_digit()
            && digits(&mut text[..at].iter().rev()) + digits(&mut text[at..].iter()) > SAFE_DIGITS
    };
    let has_run = (SAFE_DIGITS..text.len()).step_by(SAFE_DIGITS + 1).any(is_in_run);
    has_run && with_marked_integers(text).len() > text.len()
}

/// Replaces large integers outside of strings by `{"rq_rs::integer": "digits"}`.
fn with_marked_integers(text: &[u8]) -> Vec<u8> {
    let mut marked = Vec::with_capacity(text.len() + 64);
    for token in tokens(text) {
        let is_integer = token.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
        if is_integer && token.len() > SAFE_DIGITS {
            marked.extend_from_slice(format!("{{\"{BIG_INT_KEY}\":\"").as_bytes());
            marked.extend_from_slice(token);
            marked.extend_from_slice(b"\"}");
        } else {
            marked.extend_from_slice(token);
        }
    }
    marked
}

/// Splits JSON into tokens: strings with their quotes, numbers and words as a whole, every other byte by
/// itself. No token is empty.
fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_sign = |byte: &u8| byte.is_ascii_whitespace() || b"[]{},:\"".contains(byte);
    let mut rest = text;
    std::iter::from_fn(move || {
        let size = match rest.first()? {
            b'"' => string_size(rest),
            first if is_sign(first) => 1,
            _ => rest.iter().position(is_sign).unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at(size);
        rest = behind;
        Some(token)
    })
}

/// Returns the length of the string at the beginning, with its quotes.
fn string_size(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Checks text that is not parsed yet against the limits. Text that is not JSON is left to the parser.
pub(super) fn check_json(text: &[u8]) -> Result<(), String> {
    // Each level takes a bracket, and each part a byte.
    if text.len() <= MAX_DEPTH {
        return Ok(());
    }
    check_bytes(text.len())?;
    // A cheap upper bound first: each part but the first follows one of these bytes. Those in strings count
    // too.
    let (mut opened, mut parts) = (0, 1);
    for byte in text {
        let opens = matches!(byte, b'[' | b'{');
        opened += usize::from(opens);
        parts += usize::from(opens || matches!(byte, b',' | b':'));
    }
    if opened <= MAX_DEPTH && parts <= MAX_PARTS { Ok(()) } else { count_json(text) }
}

/// Counts levels and parts exactly.
fn count_json(text: &[u8]) -> Result<(), String> {
    let (mut depth, mut parts) = (0usize, 0);
    for token in tokens(text) {
        match token[0] {
            b'[' | b'{' => {
                depth += 1;
                parts += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' | b':' => {}
            byte if byte.is_ascii_whitespace() => {}
            _ => parts += 1,
        }
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        if parts > MAX_PARTS {
            return Err(too_many());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{has_large_integers, parse_exactly};

    #[test]
    fn integers_of_any_size_are_exact() {
        let text = br#"{"n": [123456789012345678901234567890, -9223372036854775808, 1], "s": "12345678901234567890\"1"}"#;
        assert!(has_large_integers(text));
        let value = parse_exactly(text).unwrap();
        assert_eq!(
            value.to_string(),
            r#"{'n': [123456789012345678901234567890, -9223372036854775808, 1], 's': '12345678901234567890"1'}"#
        );
        assert!(!has_large_integers(br#"["12345678901234567890", 1e300, 0.1234567890123456789012]"#));
    }
}
