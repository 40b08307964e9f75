//! JSON without control characters, so that it can be shown on a terminal.

use std::io::{Result, Write};

use serde_json::ser::{Formatter, PrettyFormatter};

use crate::printable::needs_escaping;

/// Writes indented JSON with all control and formatting characters escaped.
#[derive(Default)]
pub(crate) struct TerminalSafeJson(PrettyFormatter<'static>);

macro_rules! delegate {
    ($($name:ident($($first:ident: bool)?);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, to: &mut W $(, $first: bool)?) -> Result<()> {
            self.0.$name(to $(, $first)?)
        })*
    };
}

impl Formatter for TerminalSafeJson {
    delegate! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, to: &mut W, text: &str) -> Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(needs_escaping) {
            let c = rest[at..].chars().next().unwrap_or_default();
            write!(to, "{}\\u{:04x}", &rest[..at], u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        to.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::TerminalSafeJson;

    #[test]
    fn escaped_json_has_the_same_value_and_no_control_characters() {
        let value = json!({"a\u{9b}": ["\u{1b}[31m\n\u{7f}", {"b": "\u{202e}ö"}, [], {}], "c": 1.5});
        let mut text = Vec::new();
        value
            .serialize(&mut serde_json::Serializer::with_formatter(&mut text, TerminalSafeJson::default()))
            .unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let plain = json!({"a": [1, {"b": "ö"}], "c": []});
        let mut text = Vec::new();
        plain
            .serialize(&mut serde_json::Serializer::with_formatter(&mut text, TerminalSafeJson::default()))
            .unwrap();
        assert_eq!(text, serde_json::to_vec_pretty(&plain).unwrap());
    }
}
