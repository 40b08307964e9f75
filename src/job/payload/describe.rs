//! Calls as source code, for people.

use std::fmt::{self, Write};

use serde_json::Value;

use super::arguments::Arguments;
use super::python::as_json::AsJson;
use super::python::value::{PyKind, PyValue};
use super::serializer::Serializer;

/// Number of characters of an argument that are written, as in RQ.
const MAX_ARGUMENT_CHARS: usize = 75;

/// Number of arguments that are written. RQ writes all of them, which may be a million.
const MAX_ARGUMENTS: usize = 200;

/// Describes a call in the language of its payload.
pub(crate) fn describe_call(handler: &str, arguments: &Arguments, serializer: Serializer) -> String {
    let Arguments { args, kwargs } = arguments;
    match serializer {
        Serializer::Pickle => {
            describe(handler, args.iter(), kwargs.iter().map(|(name, value)| (name, value)))
        }
        Serializer::Json => {
            let kwargs = kwargs.iter().map(|(name, value)| (name, AsJson(value)));
            describe(handler, args.iter().map(AsJson), kwargs)
        }
    }
}

/// Writes `handler(1, name=2)`. Each argument is cut at 75 characters, as RQ does.
pub(super) fn describe<'a, V: Describe>(
    handler: &str,
    args: impl Iterator<Item = V>,
    kwargs: impl Iterator<Item = (&'a String, V)>,
) -> String {
    let mut kwargs: Vec<_> = kwargs.collect();
    kwargs.sort_by_key(|(name, _)| *name);
    let kwargs = kwargs.into_iter().map(|(name, value)| format!("{name}={}", truncated(&value)));
    let args = args.map(|value| truncated(&value));
    let mut all: Vec<String> = args.chain(kwargs).take(MAX_ARGUMENTS + 1).collect();
    if all.len() > MAX_ARGUMENTS {
        all[MAX_ARGUMENTS] = "...".to_owned();
    }
    format!("{handler}({})", all.join(", "))
}

/// A value that writes itself, and stops at the first error of the writer.
pub(crate) trait Describe {
    fn write_to(&self, out: &mut TruncatingWriter) -> fmt::Result;
}

impl Describe for &PyValue {
    fn write_to(&self, out: &mut TruncatingWriter) -> fmt::Result {
        write!(out, "{self}")
    }
}

/// `serde_json` escapes a whole string before it writes the first character, which for a megabyte takes
/// longer than Redis needs to store it. So strings are cut before they are written.
impl Describe for &Value {
    fn write_to(&self, out: &mut TruncatingWriter) -> fmt::Result {
        match *self {
            Value::String(text) => write_string(text, out),
            Value::Array(items) => {
                out.write_char('[')?;
                for (n, item) in items.iter().enumerate() {
                    out.write_str(if n > 0 { "," } else { "" })?;
                    item.write_to(out)?;
                }
                out.write_char(']')
            }
            Value::Object(pairs) => {
                out.write_char('{')?;
                for (n, (name, item)) in pairs.iter().enumerate() {
                    out.write_str(if n > 0 { "," } else { "" })?;
                    write_string(name, out)?;
                    out.write_char(':')?;
                    item.write_to(out)?;
                }
                out.write_char('}')
            }
            other => write!(out, "{other}"),
        }
    }
}

impl Describe for AsJson<'_> {
    fn write_to(&self, out: &mut TruncatingWriter) -> fmt::Result {
        match &self.0.0 {
            PyKind::Str(text) => write_string(text, out),
            PyKind::List(items) | PyKind::Tuple(items) => {
                out.write_char('[')?;
                for (n, item) in items.iter().enumerate() {
                    out.write_str(if n > 0 { "," } else { "" })?;
                    AsJson(item).write_to(out)?;
                }
                out.write_char(']')
            }
            PyKind::Dict(pairs) if pairs.iter().all(|(key, _)| key.as_str().is_some()) => {
                out.write_char('{')?;
                for (n, (key, item)) in pairs.iter().enumerate() {
                    out.write_str(if n > 0 { "," } else { "" })?;
                    AsJson(key).write_to(out)?;
                    out.write_char(':')?;
                    AsJson(item).write_to(out)?;
                }
                out.write_char('}')
            }
            _ => (&self.0.to_json()).write_to(out),
        }
    }
}

/// Writes a string that is cut where the writer stops in any case, so that the early closing quote is never
/// written.
fn write_string(text: &str, out: &mut TruncatingWriter) -> fmt::Result {
    let head = &text[..text.floor_char_boundary(4 * (MAX_ARGUMENT_CHARS + 1))];
    write!(out, "{}", Value::from(head))
}

/// Keeps the beginning of a text, and fails when it has enough.
#[derive(Default)]
pub(crate) struct TruncatingWriter {
    text: String,
    chars: usize,
}

impl Write for TruncatingWriter {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for c in more.chars() {
            if self.chars == MAX_ARGUMENT_CHARS {
                self.text.push_str("...");
                return Err(fmt::Error);
            }
            self.text.push(c);
            self.chars += 1;
        }
        Ok(())
    }
}

fn truncated(value: &impl Describe) -> String {
    let mut out = TruncatingWriter::default();
    // The error says that the text was cut.
    let _ = value.write_to(&mut out);
    out.text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MAX_ARGUMENT_CHARS, truncated};

    fn first(text: &str) -> String {
        let cut: String = text.chars().take(MAX_ARGUMENT_CHARS).collect();
        if cut == text { cut } else { cut + "..." }
    }

    #[test]
    fn json_is_written_up_to_75_characters() {
        let long = "é\"\n".repeat(1000);
        let values = [
            json!(null),
            json!([1, -2.5, [], {}, "a\"b", {"k": [true], "l": "é"}]),
            json!({"first": 1, "second": {"third": [1, 2, 3]}}),
            json!(long),
            json!([[long]]),
            json!({long: 1}),
            json!("𝄞".repeat(75)),
            json!("𝄞".repeat(74)),
            json!("x".repeat(73)),
            json!("x".repeat(74)),
        ];
        for value in &values {
            assert_eq!(truncated(&value), first(&Value::to_string(value)));
        }
    }
}
