//! The words of notes, in English. They are those of the dashboard.

use std::collections::HashMap;

use serde_json::Value;

use super::format::first_line;
use crate::program;
use crate::snapshot::Note;

const TEXTS: &str = include_str!("../dashboard/assets/en.json");

/// As a sentence.
pub(crate) fn of(kind: &str, note: &Note) -> String {
    let texts: HashMap<String, String> = serde_json::from_str(TEXTS).unwrap_or_default();
    let Some(text) = texts.get(&format!("{kind}.{}", note.code)) else { return note.code.to_owned() };
    // What is to be typed begins with the name of the program.
    let text = text.replace("rq-rs ", &format!("{} ", program::name()));
    let mut parts = text.split('{');
    let mut words = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        match note.values.get(name) {
            Some(Value::String(text)) => words += &first_line(text, 200),
            Some(Value::Number(number)) => words += &number.to_string(),
            _ => words += name,
        }
        words += rest;
    }
    words
}
