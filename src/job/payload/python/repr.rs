//! Writes a value as Python's `repr()` does, for logs and for people.

use std::fmt::{self, Formatter, Write};

use chrono::{Datelike, NaiveTime, Timelike};

use super::value::{PyDateTime, PyKind, PyTime, PyValue};

/// Deeper values end in `...`, so that writing one cannot exhaust the stack.
const MAX_DEPTH: usize = 250;

const DAY_SECONDS: i64 = 86_400;

impl fmt::Display for PyValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_value(&self.0, f, 0)
    }
}

impl fmt::Debug for PyValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_value(&self.0, f, 0)
    }
}

fn write_value(kind: &PyKind, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
    if depth > MAX_DEPTH {
        return f.write_str("...");
    }
    match kind {
        PyKind::None => f.write_str("None"),
        PyKind::Bool(true) => f.write_str("True"),
        PyKind::Bool(false) => f.write_str("False"),
        PyKind::Int(number) => write!(f, "{number}"),
        PyKind::BigInt(number) => write!(f, "{number}"),
        PyKind::Float(number) => write_float(*number, f),
        PyKind::Str(text) => write_str(text, f),
        PyKind::Bytes(bytes) => write_bytes(bytes, f),
        PyKind::List(items) => write_items("[", items, "]", f, depth),
        PyKind::Tuple(items) => write_items("(", items, if items.len() == 1 { ",)" } else { ")" }, f, depth),
        PyKind::Set(items) if items.is_empty() => f.write_str("set()"),
        PyKind::Set(items) => write_items("{", items, "}", f, depth),
        PyKind::FrozenSet(items) if items.is_empty() => f.write_str("frozenset()"),
        PyKind::FrozenSet(items) => write_items("frozenset({", items, "})", f, depth),
        PyKind::Dict(pairs) => write_pairs("{", pairs, "}", f, depth),
        PyKind::OrderedDict(pairs) if pairs.is_empty() => f.write_str("OrderedDict()"),
        PyKind::OrderedDict(pairs) => write_pairs("OrderedDict({", pairs, "})", f, depth),
        PyKind::DateTime(moment) => write_datetime(moment, f),
        PyKind::Date(date) => write!(f, "datetime.date({}, {}, {})", date.year(), date.month(), date.day()),
        PyKind::Time(time) => write_time(time, f),
        PyKind::TimeDelta(days, seconds, micros) => write_timedelta(i64::from(*days), *seconds, *micros, f),
        PyKind::Decimal(text) => write!(f, "Decimal('{text}')"),
        PyKind::Uuid(uuid) => write!(f, "UUID('{uuid}')"),
    }
}

fn write_items(
    open: &str,
    items: &[PyValue],
    close: &str,
    f: &mut Formatter<'_>,
    depth: usize,
) -> fmt::Result {
    f.write_str(open)?;
    for (number, item) in items.iter().enumerate() {
        f.write_str(if number == 0 { "" } else { ", " })?;
        write_value(&item.0, f, depth + 1)?;
    }
    f.write_str(close)
}

fn write_pairs(
    open: &str,
    pairs: &[(PyValue, PyValue)],
    close: &str,
    f: &mut Formatter<'_>,
    depth: usize,
) -> fmt::Result {
    f.write_str(open)?;
    for (number, (key, value)) in pairs.iter().enumerate() {
        f.write_str(if number == 0 { "" } else { ", " })?;
        write_value(&key.0, f, depth + 1)?;
        f.write_str(": ")?;
        write_value(&value.0, f, depth + 1)?;
    }
    f.write_str(close)
}

fn write_datetime(moment: &PyDateTime, f: &mut Formatter<'_>) -> fmt::Result {
    let date = moment.naive.date();
    write!(f, "datetime.datetime({}, {}, {}, ", date.year(), date.month(), date.day())?;
    write_clock(moment.naive.time(), f)?;
    f.write_str(if moment.fold { ", fold=1" } else { "" })?;
    write_offset(moment.offset, f)?;
    f.write_str(")")
}

fn write_time(time: &PyTime, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("datetime.time(")?;
    write_clock(time.time, f)?;
    // Python writes fold and time zone in the other order than for a datetime.
    write_offset(time.offset, f)?;
    f.write_str(if time.fold { ", fold=1)" } else { ")" })
}

/// Hours and minutes are always written, seconds and microseconds only if they are not zero.
fn write_clock(time: NaiveTime, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{}, {}", time.hour(), time.minute())?;
    match (time.second(), time.nanosecond() / 1000) {
        (0, 0) => Ok(()),
        (second, 0) => write!(f, ", {second}"),
        (second, micros) => write!(f, ", {second}, {micros}"),
    }
}

fn write_offset(offset: Option<i64>, f: &mut Formatter<'_>) -> fmt::Result {
    match offset {
        None => Ok(()),
        Some(0) => f.write_str(", tzinfo=datetime.timezone.utc"),
        Some(micros) => {
            let seconds = micros.div_euclid(1_000_000);
            f.write_str(", tzinfo=datetime.timezone(")?;
            write_timedelta(
                seconds.div_euclid(DAY_SECONDS),
                seconds.rem_euclid(DAY_SECONDS) as u32,
                micros.rem_euclid(1_000_000) as u32,
                f,
            )?;
            f.write_str(")")
        }
    }
}

fn write_timedelta(days: i64, seconds: u32, micros: u32, f: &mut Formatter<'_>) -> fmt::Result {
    let mut comma = "";
    f.write_str("datetime.timedelta(")?;
    for (name, number) in
        [("days", days), ("seconds", i64::from(seconds)), ("microseconds", i64::from(micros))]
    {
        if number != 0 {
            write!(f, "{comma}{name}={number}")?;
            comma = ", ";
        }
    }
    f.write_str(if comma.is_empty() { "0)" } else { ")" })
}

/// Writes the fewest digits that read back as the same number, with an exponent where Python has one.
fn write_float(number: f64, f: &mut Formatter<'_>) -> fmt::Result {
    if number.is_nan() {
        return f.write_str("nan");
    }
    if number.is_infinite() {
        return f.write_str(if number > 0.0 { "inf" } else { "-inf" });
    }
    let magnitude = number.abs();
    if magnitude == 0.0 || (1e-4..1e16).contains(&magnitude) {
        // Rust's `Debug` switches to an exponent at other magnitudes; its `Display` never does.
        return if number.fract() == 0.0 { write!(f, "{number}.0") } else { write!(f, "{number}") };
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => write!(f, "{digits}e-{exponent:0>2}"),
            None => write!(f, "{digits}e+{exponent:0>2}"),
        },
        None => f.write_str(&text),
    }
}

/// Python uses double quotes only where they save an escape.
fn choose_quote(single: bool, double: bool) -> char {
    if single && !double { '"' } else { '\'' }
}

fn write_str(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    let quote = choose_quote(text.contains('\''), text.contains('"'));
    f.write_char(quote)?;
    for char in text.chars() {
        match char {
            '\\' => f.write_str("\\\\"),
            '\n' => f.write_str("\\n"),
            '\r' => f.write_str("\\r"),
            '\t' => f.write_str("\\t"),
            _ if char == quote => write!(f, "\\{quote}"),
            ' '..='~' => f.write_char(char),
            _ if is_printable(char) => f.write_char(char),
            '\0'..='\u{ff}' => write!(f, "\\x{:02x}", u32::from(char)),
            '\u{100}'..='\u{ffff}' => write!(f, "\\u{:04x}", u32::from(char)),
            _ => write!(f, "\\U{:08x}", u32::from(char)),
        }?;
    }
    f.write_char(quote)
}

/// Python and Rust agree on printable characters, but Rust shows its table only through `escape_debug`. A
/// letter stands in front because `escape_debug` escapes a combining mark at the beginning of a text.
fn is_printable(char: char) -> bool {
    let mut buffer = [b'a'; 5];
    let length = 1 + char.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..length]).is_ok_and(|text| text.escape_debug().count() == 2)
}

fn write_bytes(bytes: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    let quote = choose_quote(bytes.contains(&b'\''), bytes.contains(&b'"'));
    write!(f, "b{quote}")?;
    for byte in bytes {
        match byte {
            b'\\' => f.write_str("\\\\"),
            b'\n' => f.write_str("\\n"),
            b'\r' => f.write_str("\\r"),
            b'\t' => f.write_str("\\t"),
            _ if char::from(*byte) == quote => write!(f, "\\{quote}"),
            b' '..=b'~' => f.write_char(char::from(*byte)),
            _ => write!(f, "\\x{byte:02x}"),
        }?;
    }
    f.write_char(quote)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn text(kind: PyKind) -> String {
        PyValue(kind).to_string()
    }

    #[test]
    fn floats_are_written_as_python_does() {
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e16, "1e+16"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e-4, "0.0001"),
            (1.5e-5, "1.5e-05"),
            (1e300, "1e+300"),
            (5e-324, "5e-324"),
            (-1.25e-10, "-1.25e-10"),
            (123_456_789.125, "123456789.125"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (-f64::NAN, "nan"),
        ];
        for (number, expected) in cases {
            assert_eq!(text(PyKind::Float(number)), expected);
        }
    }

    #[test]
    fn strings_choose_their_quotes_and_escape_unprintable_characters() {
        let cases = [
            ("it's", r#""it's""#),
            (r#"it's "so""#, r#"'it\'s "so"'"#),
            ("a\\b\n\t\r\0\x7f", r"'a\\b\n\t\r\x00\x7f'"),
            ("é\u{a0}\u{ad}\u{200b}\u{2028}\u{3000}", r"'é\xa0\xad\u200b\u2028\u3000'"),
            ("e\u{301}\u{301}", "'e\u{301}\u{301}'"),
            ("\u{301}", "'\u{301}'"),
            ("🦀\u{e000}\u{e0001}\u{378}", r"'🦀\ue000\U000e0001\u0378'"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(PyKind::Str(value.into())), expected);
        }
        assert_eq!(text(PyKind::Bytes(Arc::from(&b"'\"\xff\\"[..]))), r#"b'\'"\xff\\'"#);
    }

    #[test]
    fn a_deep_value_ends_in_dots() {
        let mut value = PyValue(PyKind::Int(1));
        for _ in 0..400 {
            value = PyValue(PyKind::List(Arc::new([value])));
        }
        assert_eq!(value.to_string(), format!("{}...{}", "[".repeat(251), "]".repeat(251)));
        assert_eq!(format!("{value:?}"), value.to_string());
    }
}
