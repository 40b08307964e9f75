//! Checks the size of a value before it is written.

use super::value::{PyKind, PyValue};
use crate::job::payload::limits::{MAX_DEPTH, MAX_PARTS, MAX_TEXT_BYTES, too_deep, too_many, too_much_text};

/// Refuses a value that a reader would refuse. A shared value counts once for each place that refers to it.
pub(crate) fn check_value(value: &PyValue) -> Result<(), String> {
    SizeCounter::default().add(value, 0)
}

#[derive(Default)]
struct SizeCounter {
    parts: usize,
    text: usize,
}

impl SizeCounter {
    /// Adds a value that is nested in `depth` others.
    fn add(&mut self, value: &PyValue, depth: usize) -> Result<(), String> {
        self.parts += 1;
        self.text += match &value.0 {
            PyKind::Str(text) | PyKind::Decimal(text) => text.len(),
            PyKind::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        if self.parts > MAX_PARTS {
            return Err(too_many());
        }
        if self.text > MAX_TEXT_BYTES {
            return Err(too_much_text());
        }
        match &value.0 {
            PyKind::List(items) | PyKind::Tuple(items) | PyKind::Set(items) | PyKind::FrozenSet(items) => {
                items.iter().try_for_each(|item| self.add(item, depth + 1))
            }
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) => {
                let mut parts = pairs.iter().flat_map(|(key, value)| [key, value]);
                parts.try_for_each(|part| self.add(part, depth + 1))
            }
            _ => Ok(()),
        }
    }
}
