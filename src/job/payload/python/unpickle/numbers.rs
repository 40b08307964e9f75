//! Numbers in digits, as the older protocols have them: what Python's own unpickler, which is written in C, takes.

use super::super::{BigInt, PyKind};
use super::cut_short;

/// `INT`: what C's `strtol` reads to the end, or else what Python reads in a program. Of two bytes that stand
/// for 0 or 1 a truth value is made, which is how `01` is one.
pub(super) fn int(line: &[u8]) -> Result<PyKind, String> {
    match (line.len(), strtol(c_text(line)?)) {
        (2, Some(number @ (0 | 1))) => Ok(PyKind::Bool(number == 1)),
        (_, Some(number)) => Ok(PyKind::Int(number)),
        (_, None) => literal(c_text(line)?),
    }
}

/// `LONG`: as Python reads it in a program, with an `L` behind it.
pub(super) fn long(line: &[u8]) -> Result<PyKind, String> {
    literal(c_text(line.strip_suffix(b"L").unwrap_or(line)).map_err(|_| cut_short())?)
}

/// `FLOAT`: decimal, with nothing around it; one that is too large is no infinity.
pub(super) fn float(line: &[u8]) -> Result<PyKind, String> {
    let wrong = || "the pickle holds a float that is not one".to_owned();
    let text = std::str::from_utf8(c_text(line)?).map_err(|_| wrong())?;
    let number: f64 = text.parse().map_err(|_| wrong())?;
    let is_too_large = number.is_infinite() && text.contains(|c: char| c.is_ascii_digit());
    if is_too_large { Err(wrong()) } else { Ok(PyKind::Float(number)) }
}

/// `GET` and `PUT`: a decimal number.
pub(super) fn memo_index(line: &[u8]) -> Result<u32, String> {
    let wrong = || "the pickle refers to something that is not a number".to_owned();
    let (is_negative, digits) = signed(c_text(line)?.trim_ascii());
    let digits = digits_of(digits, 10).ok_or_else(wrong)?;
    let number: u32 = digits.parse().map_err(|_| wrong())?;
    if is_negative && number > 0 { Err(wrong()) } else { Ok(number) }
}

/// To C a text ends at a zero byte.
fn c_text(line: &[u8]) -> Result<&[u8], String> {
    if line.is_empty() {
        return Err(cut_short());
    }
    let end = line.iter().position(|byte| *byte == 0).unwrap_or(line.len());
    Ok(&line[..end])
}

fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && (first.is_ascii_whitespace() || *first == 0x0b)
    {
        text = rest;
    }
    text
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// With a leading 0 in octal, with 0x in hexadecimal digits. Nothing at all is 0.
fn strtol(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (is_negative, digits) = signed(trim_start(text));
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', _, ..] => (8, digits),
        _ => (10, digits),
    };
    if !digits.first().is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    let sign = if is_negative { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), base).ok()
}

/// An `int` as it stands in a Python program, with white space around it.
fn literal(text: &[u8]) -> Result<PyKind, String> {
    let wrong = || "the pickle holds a whole number that is not one".to_owned();
    let text = trim_start(text);
    let end =
        text.iter().rposition(|byte| !byte.is_ascii_whitespace() && *byte != 0x0b).map_or(0, |at| at + 1);
    let (is_negative, digits) = signed(&text[..end]);
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        _ => (10, digits),
    };
    let digits = digits.strip_prefix(b"_").filter(|_| base != 10).unwrap_or(digits);
    let digits = digits_of(digits, base).ok_or_else(wrong)?;
    // A leading zero does not mean octal any more.
    let is_octal = base == 10 && digits.len() > 1 && digits.starts_with('0');
    if is_octal && digits.bytes().any(|digit| digit != b'0') {
        return Err(wrong());
    }
    BigInt::kind_of_digits(is_negative, &digits, base)
}

/// Digits without the underscores that may stand between two of them.
fn digits_of(text: &[u8], base: u32) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let is_digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_digit(base));
    text.split('_').all(is_digits).then(|| text.replace('_', ""))
}
