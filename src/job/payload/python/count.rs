//! How much a value is, before it is written.

use super::{Kind, PyValue};
use crate::job::payload::limits::{DEPTH, PARTS, TEXT, too_deep, too_many, too_much_text};

/// Checks a value that is to be written. What stands in several places counts in each.
pub(crate) fn check_value(value: &PyValue) -> Result<(), String> {
    Counted::default().count(value, 0)
}

#[derive(Default)]
struct Counted {
    parts: usize,
    text: usize,
}

impl Counted {
    /// Of a value in so many others.
    fn count(&mut self, value: &PyValue, depth: usize) -> Result<(), String> {
        self.parts += 1;
        self.text += match &value.0 {
            Kind::Str(text) | Kind::Decimal(text) => text.len(),
            Kind::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        if depth > DEPTH {
            return Err(too_deep());
        }
        if self.parts > PARTS {
            return Err(too_many());
        }
        if self.text > TEXT {
            return Err(too_much_text());
        }
        match &value.0 {
            Kind::List(items) | Kind::Tuple(items) | Kind::Set(items) | Kind::FrozenSet(items) => {
                items.iter().try_for_each(|item| self.count(item, depth + 1))
            }
            Kind::Dict(pairs) | Kind::OrderedDict(pairs) => {
                let mut parts = pairs.iter().flat_map(|(key, value)| [key, value]);
                parts.try_for_each(|part| self.count(part, depth + 1))
            }
            _ => Ok(()),
        }
    }
}
