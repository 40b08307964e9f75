//! JSON text, with integers of any size.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::limits::{MAX_DEPTH, MAX_PARTS, check_bytes, too_deep, too_many};
use super::python::{BIG_INT_IN_JSON, to_python};
use super::{Call, PyValue, Serializer};

/// Integers of up to this many digits fit the numbers of JSON readers.
const SAFE_DIGITS: usize = 18;

/// Whether this may be JSON; a pickle never begins like that.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| b"[{\"-0123456789tfn".contains(byte))
}

/// Reads a payload; the error says what is wrong with it.
pub(super) fn read_call(data: &[u8]) -> Result<Call, String> {
    check_json(data).map_err(|error| format!("the payload cannot be read: {error}"))?;
    let (handler, instance, args, kwargs): (String, Value, Vec<Value>, Map<String, Value>) = build(data)
        .map_err(|error| format!("the payload is not [handler, null, [arguments], {{keywords}}]: {error}"))?;
    if !instance.is_null() {
        return Err("the payload calls a method of an object, which only Python can".to_owned());
    }
    Ok(Call { handler, args, kwargs, exact: None, serializer: Serializer::Json })
}

/// Reads JSON that is within the limits.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    check_json(text)?;
    build(text)
}

/// Reads JSON that was counted, or that a part of this program wrote. serde_json has a limit of depth of its own,
/// which is less than ours.
pub(super) fn build<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.disable_recursion_limit();
    let value = T::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| error.to_string())
}

/// Whether it is JSON, also when there is too much of it.
pub(super) fn is_valid(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

const NOT_FINITE: &str = "JSON has no word for nan and inf: give them as text, or none at all";

/// Writes a value of any type, or says what JSON has no word for.
pub(super) fn write<T: ?Sized + Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let text = to_text(value)?;
    // What serde_json writes for a float that is no number.
    let has_null = text.split(|byte| *byte == b'n').skip(1).any(|behind| behind.starts_with(b"ull"));
    match has_null.then(|| to_python(value)) {
        Some(Ok(value)) if !value.is_finite() => Err(NOT_FINITE.to_owned()),
        _ => Ok(text),
    }
}

/// The same of a value that can be looked at.
pub(super) fn write_value(value: &PyValue) -> Result<Vec<u8>, String> {
    if value.is_finite() { to_text(value) } else { Err(NOT_FINITE.to_owned()) }
}

fn to_text<T: ?Sized + Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let text = serde_json::to_vec(value).map_err(|error| error.to_string())?;
    check_json(&text)?;
    Ok(text)
}

/// Reads JSON with integers that serde_json would round.
pub(super) fn parse_exactly(text: &[u8]) -> Result<PyValue, String> {
    check_json(text)?;
    build(&with_marked_integers(text))
}

/// Whether there are integers that a reader may round.
pub(super) fn has_large_integers(text: &[u8]) -> bool {
    // Cheap first: most payloads have no such run of digits anywhere, not even in a string. One that is longer
    // than this has a digit at each of its multiples.
    let is_in_run = |at: usize| {
        let digits = |bytes: &mut dyn Iterator<Item = &u8>| bytes.take_while(|b| b.is_ascii_digit()).count();
        text[at].is_ascii_digit()
            && digits(&mut text[..at].iter().rev()) + digits(&mut text[at..].iter()) > SAFE_DIGITS
    };
    let has_run = (SAFE_DIGITS..text.len()).step_by(SAFE_DIGITS + 1).any(is_in_run);
    has_run && with_marked_integers(text).len() > text.len()
}

/// Large integers outside of strings become `{"rq_rs::integer": "digits"}`.
fn with_marked_integers(text: &[u8]) -> Vec<u8> {
    let mut marked = Vec::with_capacity(text.len() + 64);
    for token in tokens(text) {
        let is_integer = token.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
        if is_integer && token.len() > SAFE_DIGITS {
            marked.extend_from_slice(format!("{{\"{BIG_INT_IN_JSON}\":\"").as_bytes());
            marked.extend_from_slice(token);
            marked.extend_from_slice(b"\"}");
        } else {
            marked.extend_from_slice(token);
        }
    }
    marked
}

/// Texts with their quotes, numbers and words as a whole, every other byte by itself. None is empty.
pub(super) fn tokens(text: &[u8]) -> impl Iterator<Item = &[u8]> {
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

/// How long the string at the beginning is, with its quotes.
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

/// Checks JSON that nobody has parsed yet. What is no JSON is for the parser to refuse.
pub(super) fn check_json(text: &[u8]) -> Result<(), String> {
    // A bracket for each level, and a byte for each part.
    if text.len() <= MAX_DEPTH {
        return Ok(());
    }
    check_bytes(text.len())?;
    // Cheap first: each part but the first one follows one of these, also when some of them are in texts.
    let (mut opened, mut parts) = (0, 1);
    for byte in text {
        let opens = matches!(byte, b'[' | b'{');
        opened += usize::from(opens);
        parts += usize::from(opens || matches!(byte, b',' | b':'));
    }
    if opened <= MAX_DEPTH && parts <= MAX_PARTS { Ok(()) } else { count_json(text) }
}

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
