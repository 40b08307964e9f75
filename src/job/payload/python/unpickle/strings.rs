//! Texts as the older protocols write them, and what counts as a `Decimal`.

use super::cut_short;

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        // Python lets half of a pair of surrogates stand alone, and writes it in three bytes.
        match bytes[error.valid_up_to()..] {
            [0xed, 0xa0..=0xbf, ..] => surrogate(),
            _ => "the pickle holds a text that is not UTF-8".to_owned(),
        }
    })
}

fn surrogate() -> String {
    "the pickle holds a text with a lone surrogate, which only Python can read".to_owned()
}

/// A `str` of Python 2, which does not say its encoding.
pub(super) fn ascii(bytes: &[u8]) -> Result<&str, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Ok(text),
        _ => Err("the pickle holds a text of Python 2 that is not ASCII".to_owned()),
    }
}

/// Latin-1, with `\uXXXX` and `\UXXXXXXXX` for the rest; a backslash before anything else is one.
pub(super) fn raw_unicode(line: &[u8]) -> Result<String, String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [kind @ (b'u' | b'U'), after @ ..]) => {
                let (digits, after) =
                    after.split_at_checked(if *kind == b'u' { 4 } else { 8 }).ok_or_else(cut_short)?;
                rest = after;
                let code = hex(digits)?;
                text.push(char::from_u32(code).ok_or_else(|| match code {
                    0xd800..=0xdfff => surrogate(),
                    _ => not_text(),
                })?);
            }
            // Two backslashes stand together, so that the second one does not begin an escape.
            (b'\\', [next, after @ ..]) => {
                rest = after;
                text.extend(['\\', char::from(*next)]);
            }
            _ => text.push(char::from(*first)),
        }
    }
    Ok(text)
}

fn hex(digits: &[u8]) -> Result<u32, String> {
    digits.iter().try_fold(0u32, |code, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or_else(not_text)?;
        Ok(code.checked_mul(16).ok_or_else(not_text)? + digit)
    })
}

fn not_text() -> String {
    "the pickle holds an escape in a text that stands for no character".to_owned()
}

/// A `str` of Python 2 as its `repr()` wrote it.
pub(super) fn quoted(line: &[u8]) -> Result<String, String> {
    let ([b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"']) = line else {
        return Err("the pickle holds a text without its quotes".to_owned());
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [first, after @ ..] = rest {
        let (byte, after) = match first {
            b'\\' => escape(after)?,
            _ => (Some(*first), after),
        };
        // Python keeps the backslash of an escape it does not know.
        bytes.push(byte.unwrap_or(b'\\'));
        rest = after;
    }
    ascii(&bytes).map(str::to_owned)
}

/// What a backslash and what follows it stand for, and what stands after that; nothing when it is no escape.
fn escape(after: &[u8]) -> Result<(Option<u8>, &[u8]), String> {
    Ok(match after {
        [] => return Err(not_text()),
        [b'x', high, low, rest @ ..] => (Some(hex(&[*high, *low])? as u8), rest),
        [b'x', ..] => return Err(not_text()),
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

/// Whether Python's `Decimal` takes it. Its exponent may have 17 digits; Python's own limit is near.
pub(crate) fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let lower = text.strip_prefix(['-', '+']).unwrap_or(text).to_ascii_lowercase();
    if let Some(diagnostic) = lower.strip_prefix("snan").or_else(|| lower.strip_prefix("nan")) {
        return digits(diagnostic);
    }
    if lower == "inf" || lower == "infinity" {
        return true;
    }
    let (number, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    whole.len() + fraction.len() > 0
        && [whole, fraction, exponent].into_iter().all(digits)
        && (1..=17).contains(&exponent.len())
}
