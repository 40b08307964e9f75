//! JSON text, with integers of any size.

use serde::de::DeserializeOwned;

use super::python::BIG_INT_IN_JSON;
use super::{Call, PyValue, Serializer};
use serde_json::{Map, Value};

/// Integers of up to this many digits fit the numbers of JSON readers.
const SAFE_DIGITS: usize = 18;

/// Whether this may be JSON; a pickle never begins like that.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| b"[{\"-0123456789tfn".contains(byte))
}

/// Reads a payload; the error says what is wrong with it.
pub(super) fn read_call(data: &[u8]) -> Result<Call, String> {
    let (handler, instance, args, kwargs): (String, Value, Vec<Value>, Map<String, Value>) = parse(data)
        .map_err(|error| format!("the payload is not [handler, null, [arguments], {{keywords}}]: {error}"))?;
    if !instance.is_null() {
        return Err("the payload calls a method of an object, which only Python can".to_owned());
    }
    Ok(Call { handler, args, kwargs, exact: None, serializer: Serializer::Json })
}

pub(super) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Reads JSON with integers that serde_json would round.
pub(super) fn parse_exactly(text: &[u8]) -> Result<PyValue, String> {
    parse(&with_marked_integers(text))
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
    let mut rest = text;
    while let Some(first) = rest.first() {
        let size = match first {
            b'"' => string_size(rest),
            b'-' | b'0'..=b'9' => {
                let inside = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                rest.iter().position(|byte| !inside(byte)).unwrap_or(rest.len())
            }
            _ => 1,
        };
        let (token, behind) = rest.split_at(size);
        let is_integer = token.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
        if is_integer && size > SAFE_DIGITS {
            marked.extend_from_slice(format!("{{\"{BIG_INT_IN_JSON}\":\"").as_bytes());
            marked.extend_from_slice(token);
            marked.extend_from_slice(b"\"}");
        } else {
            marked.extend_from_slice(token);
        }
        rest = behind;
    }
    marked
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
