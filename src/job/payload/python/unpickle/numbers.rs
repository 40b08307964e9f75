//! Numbers as text, which the older protocols write. The syntax is that of Python's own unpickler in C.

use super::super::integer::BigInt;
use super::super::value::PyKind;
use super::refusal::truncated;

/// Reads the operand of `INT`: text that C's `strtol` reads to the end, or else an integer of Python's
/// syntax. Two bytes with the value 0 or 1 are a bool, such as `01`.
pub(super) fn int(line: &[u8]) -> Result<PyKind, String> {
    match (line.len(), strtol(c_text(line)?)) {
        (2, Some(number @ (0 | 1))) => Ok(PyKind::Bool(number == 1)),
        (_, Some(number)) => Ok(PyKind::Int(number)),
        (_, None) => python_int(c_text(line)?),
    }
}

/// Reads the operand of `LONG`: an integer of Python's syntax with an optional `L` at the end.
pub(super) fn long(line: &[u8]) -> Result<PyKind, String> {
    python_int(c_text(line.strip_suffix(b"L").unwrap_or(line)).map_err(|_| truncated())?)
}

/// Reads the operand of `FLOAT`: decimal text without white space. A number that is too large is refused.
pub(super) fn float(line: &[u8]) -> Result<PyKind, String> {
    let wrong = || "the pickle holds a float that is not one".to_owned();
    let text = std::str::from_utf8(c_text(line)?).map_err(|_| wrong())?;
    let number: f64 = text.parse().map_err(|_| wrong())?;
    let is_too_large = number.is_infinite() && text.contains(|c: char| c.is_ascii_digit());
    if is_too_large { Err(wrong()) } else { Ok(PyKind::Float(number)) }
}

/// Reads the operand of `GET` and `PUT`: a decimal number.
pub(super) fn memo_index(line: &[u8]) -> Result<u32, String> {
    let wrong = || "the pickle refers to something that is not a number".to_owned();
    let (is_negative, digits) = split_sign(c_text(line)?.trim_ascii());
    let digits = strip_underscores(digits, 10).ok_or_else(wrong)?;
    let number: u32 = digits.parse().map_err(|_| wrong())?;
    if is_negative && number > 0 { Err(wrong()) } else { Ok(number) }
}

/// Returns the text up to the first zero byte, where a text of C ends.
fn c_text(line: &[u8]) -> Result<&[u8], String> {
    if line.is_empty() {
        return Err(truncated());
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

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// Reads a number as C does: `0` begins octal digits, `0x` hexadecimal digits, and empty text is 0.
fn strtol(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (is_negative, digits) = split_sign(trim_start(text));
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

/// Reads an integer of Python's syntax with optional white space around it.
fn python_int(text: &[u8]) -> Result<PyKind, String> {
    let wrong = || "the pickle holds a whole number that is not one".to_owned();
    let text = trim_start(text);
    let end =
        text.iter().rposition(|byte| !byte.is_ascii_whitespace() && *byte != 0x0b).map_or(0, |at| at + 1);
    let (is_negative, digits) = split_sign(&text[..end]);
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        _ => (10, digits),
    };
    let digits = digits.strip_prefix(b"_").filter(|_| base != 10).unwrap_or(digits);
    let digits = strip_underscores(digits, base).ok_or_else(wrong)?;
    // Python 3 refuses a leading zero, which meant octal in Python 2.
    let is_octal = base == 10 && digits.len() > 1 && digits.starts_with('0');
    if is_octal && digits.bytes().any(|digit| digit != b'0') {
        return Err(wrong());
    }
    BigInt::from_digits(is_negative, &digits, base).map(PyKind::from)
}

/// Returns the digits without the underscores that Python allows between two digits.
fn strip_underscores(text: &[u8], base: u32) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let is_digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_digit(base));
    text.split('_').all(is_digits).then(|| text.replace('_', ""))
}
