//! Strings in the encodings of the different protocols.

use super::refusal::truncated;

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        // Python allows a lone surrogate in a `str`, and writes it in three bytes.
        match bytes[error.valid_up_to()..] {
            [0xed, 0xa0..=0xbf, ..] => lone_surrogate(),
            _ => "the pickle holds a text that is not UTF-8".to_owned(),
        }
    })
}

fn lone_surrogate() -> String {
    "the pickle holds a text with a lone surrogate, which only Python can read".to_owned()
}

/// Reads a `str` of Python 2, whose encoding is unknown.
pub(super) fn ascii(bytes: &[u8]) -> Result<&str, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Ok(text),
        _ => Err("the pickle holds a text of Python 2 that is not ASCII".to_owned()),
    }
}

/// Reads Latin-1 text with the escapes `\uXXXX` and `\UXXXXXXXX`. A backslash before another character is
/// itself.
pub(super) fn raw_unicode(line: &[u8]) -> Result<String, String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [kind @ (b'u' | b'U'), after @ ..]) => {
                let (digits, after) =
                    after.split_at_checked(if *kind == b'u' { 4 } else { 8 }).ok_or_else(truncated)?;
                rest = after;
                let code = parse_hex(digits)?;
                text.push(char::from_u32(code).ok_or_else(|| match code {
                    0xd800..=0xdfff => lone_surrogate(),
                    _ => invalid_escape(),
                })?);
            }
            // The second of two backslashes does not begin an escape.
            (b'\\', [next, after @ ..]) => {
                rest = after;
                text.extend(['\\', char::from(*next)]);
            }
            _ => text.push(char::from(*first)),
        }
    }
    Ok(text)
}

fn parse_hex(digits: &[u8]) -> Result<u32, String> {
    digits.iter().try_fold(0u32, |code, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or_else(invalid_escape)?;
        Ok(code.checked_mul(16).ok_or_else(invalid_escape)? + digit)
    })
}

fn invalid_escape() -> String {
    "the pickle holds an escape in a text that stands for no character".to_owned()
}

/// Reads the `repr()` of a `str` of Python 2.
pub(super) fn quoted(line: &[u8]) -> Result<String, String> {
    let ([b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"']) = line else {
        return Err("the pickle holds a text without its quotes".to_owned());
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [first, after @ ..] = rest {
        let (byte, after) = match first {
            b'\\' => read_escape(after)?,
            _ => (Some(*first), after),
        };
        // Python keeps the backslash of an unknown escape.
        bytes.push(byte.unwrap_or(b'\\'));
        rest = after;
    }
    ascii(&bytes).map(str::to_owned)
}

/// Reads the escape after a backslash. Returns its byte (`None` if it is no escape) and the text after it.
fn read_escape(after: &[u8]) -> Result<(Option<u8>, &[u8]), String> {
    Ok(match after {
        [] => return Err(invalid_escape()),
        [b'x', high, low, rest @ ..] => (Some(parse_hex(&[*high, *low])? as u8), rest),
        [b'x', ..] => return Err(invalid_escape()),
        [b'0'..=b'7', ..] => {
            let length = after.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            let (digits, rest) = after.split_at(length);
            let code = digits.iter().fold(0u32, |code, digit| code * 8 + u32::from(digit - b'0'));
            (Some(code as u8), rest)
        }
        [char, rest @ ..] => {
            let byte = match char {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'v' => 11,
                b'\\' | b'\'' | b'"' => *char,
                _ => return Ok((None, after)),
            };
            (Some(byte), rest)
        }
    })
}
