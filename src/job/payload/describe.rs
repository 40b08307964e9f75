//! A call as people see it.

use std::fmt::{self, Write};

use serde_json::Value;

use super::PyValue;
use super::python::{AsJson, PyKind};

/// How many characters of an argument people see, as in RQ.
const SHOWN: usize = 75;

/// How many arguments people see. RQ shows all, which may be a million.
const ARGUMENTS: usize = 200;

/// `handler(1, name=2)`, in the language of the values; each argument is cut at 75 characters, as RQ does.
pub(crate) fn describe<'a, V: Shown>(
    handler: &str,
    args: impl Iterator<Item = V>,
    kwargs: impl Iterator<Item = (&'a String, V)>,
) -> String {
    let mut kwargs: Vec<_> = kwargs.collect();
    kwargs.sort_by_key(|(name, _)| *name);
    let kwargs = kwargs.into_iter().map(|(name, value)| format!("{name}={}", short(&value)));
    let args = args.map(|value| short(&value));
    let mut all: Vec<String> = args.chain(kwargs).take(ARGUMENTS + 1).collect();
    if all.len() > ARGUMENTS {
        all[ARGUMENTS] = "...".to_owned();
    }
    format!("{handler}({})", all.join(", "))
}

/// A value that can write itself, and stops when it is told so.
pub(crate) trait Shown {
    fn show(&self, to: &mut Short) -> fmt::Result;
}

impl Shown for &PyValue {
    fn show(&self, to: &mut Short) -> fmt::Result {
        write!(to, "{self}")
    }
}

/// By itself `serde_json` looks through a whole text before it writes the first letter, which for a megabyte
/// takes longer than Redis needs to store it.
impl Shown for &Value {
    fn show(&self, to: &mut Short) -> fmt::Result {
        match *self {
            Value::String(text) => string(text, to),
            Value::Array(items) => {
                to.write_char('[')?;
                for (n, item) in items.iter().enumerate() {
                    to.write_str(if n > 0 { "," } else { "" })?;
                    item.show(to)?;
                }
                to.write_char(']')
            }
            Value::Object(pairs) => {
                to.write_char('{')?;
                for (n, (name, item)) in pairs.iter().enumerate() {
                    to.write_str(if n > 0 { "," } else { "" })?;
                    string(name, to)?;
                    to.write_char(':')?;
                    item.show(to)?;
                }
                to.write_char('}')
            }
            other => write!(to, "{other}"),
        }
    }
}

impl Shown for AsJson<'_> {
    fn show(&self, to: &mut Short) -> fmt::Result {
        match &self.0.0 {
            PyKind::Str(text) => string(text, to),
            PyKind::List(items) | PyKind::Tuple(items) => {
                to.write_char('[')?;
                for (n, item) in items.iter().enumerate() {
                    to.write_str(if n > 0 { "," } else { "" })?;
                    AsJson(item).show(to)?;
                }
                to.write_char(']')
            }
            PyKind::Dict(pairs) if pairs.iter().all(|(key, _)| key.as_str().is_some()) => {
                to.write_char('{')?;
                for (n, (key, item)) in pairs.iter().enumerate() {
                    to.write_str(if n > 0 { "," } else { "" })?;
                    AsJson(key).show(to)?;
                    to.write_char(':')?;
                    AsJson(item).show(to)?;
                }
                to.write_char('}')
            }
            _ => (&self.0.to_json()).show(to),
        }
    }
}

/// What is cut off is more than can be shown, so nobody sees that the quote is too early.
fn string(text: &str, to: &mut Short) -> fmt::Result {
    let head = &text[..text.floor_char_boundary(4 * (SHOWN + 1))];
    write!(to, "{}", Value::from(head))
}

/// The beginning of a text.
#[derive(Default)]
pub(crate) struct Short {
    text: String,
    chars: usize,
}

impl Write for Short {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for c in more.chars() {
            if self.chars == SHOWN {
                self.text.push_str("...");
                return Err(fmt::Error);
            }
            self.text.push(c);
            self.chars += 1;
        }
        Ok(())
    }
}

fn short(value: &impl Shown) -> String {
    let mut short = Short::default();
    // An error says that there is more, which nobody wants to see.
    let _ = value.show(&mut short);
    short.text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{SHOWN, short};

    fn first(text: &str) -> String {
        let cut: String = text.chars().take(SHOWN).collect();
        if cut == text { cut } else { cut + "..." }
    }

    #[test]
    fn json_is_shown_as_it_is_written_up_to_75_characters() {
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
            assert_eq!(short(&value), first(&Value::to_string(value)));
        }
    }
}
