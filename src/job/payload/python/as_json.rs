//! Conversion to JSON, for people and for tools.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::value::{PyKind, PyValue};

impl PyValue {
    /// Converts to JSON as far as JSON has the types. `bytes` become base64; times, `Decimal`, `UUID`,
    /// `nan`, `inf` and integers of more than 64 bits become text; a `timedelta` becomes seconds; tuples
    /// and sets become lists. Keys of a dict become text; a dict in which two keys have the same text
    /// becomes a list of pairs.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(AsJson(self)).unwrap_or_default()
    }

    /// Returns whether all floats in the value are finite.
    pub(crate) fn is_finite(&self) -> bool {
        match &self.0 {
            PyKind::Float(number) => number.is_finite(),
            PyKind::List(items) | PyKind::Tuple(items) | PyKind::Set(items) | PyKind::FrozenSet(items) => {
                items.iter().all(PyValue::is_finite)
            }
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) => {
                pairs.iter().all(|(key, value)| key.is_finite() && value.is_finite())
            }
            _ => true,
        }
    }

    /// Returns whether JSON holds the value without loss, except that tuples become lists.
    pub(crate) fn is_json(&self) -> bool {
        match &self.0 {
            PyKind::None | PyKind::Bool(_) | PyKind::Int(_) | PyKind::BigInt(_) | PyKind::Str(_) => true,
            PyKind::Float(number) => number.is_finite(),
            PyKind::List(items) | PyKind::Tuple(items) => items.iter().all(PyValue::is_json),
            PyKind::Dict(pairs) => pairs.iter().all(|(key, value)| key.as_str().is_some() && value.is_json()),
            _ => false,
        }
    }

    fn key_text(&self) -> Cow<'_, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.text().unwrap_or_else(|| self.to_string())),
        }
    }
}

/// Serializes a value as [`PyValue::to_json`] converts it, without building the `serde_json::Value`.
pub(crate) struct AsJson<'a>(pub(crate) &'a PyValue);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.0 {
            PyKind::None => serializer.serialize_unit(),
            PyKind::Bool(value) => serializer.serialize_bool(*value),
            PyKind::Int(value) => serializer.serialize_i64(*value),
            PyKind::BigInt(value) => match value.as_u128().and_then(|value| u64::try_from(value).ok()) {
                Some(value) => serializer.serialize_u64(value),
                None => serializer.collect_str(value),
            },
            PyKind::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            PyKind::Float(_) => serializer.collect_str(self.0),
            PyKind::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            PyKind::List(items) | PyKind::Tuple(items) | PyKind::Set(items) | PyKind::FrozenSet(items) => {
                serializer.collect_seq(items.iter().map(AsJson))
            }
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) if has_distinct_text_keys(pairs) => {
                serializer.collect_map(pairs.iter().map(|(key, value)| (key.key_text(), AsJson(value))))
            }
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) => {
                serializer.collect_seq(pairs.iter().map(|(key, value)| [AsJson(key), AsJson(value)]))
            }
            PyKind::TimeDelta(..) => self.0.seconds().serialize(serializer),
            _ => serializer.serialize_str(&self.0.key_text()),
        }
    }
}

/// Returns whether no two keys have the same text: `1` and `"1"` do.
fn has_distinct_text_keys(pairs: &[(PyValue, PyValue)]) -> bool {
    if pairs.iter().all(|(key, _)| key.as_str().is_some()) {
        return true;
    }
    let mut seen = HashSet::new();
    pairs.iter().all(|(key, _)| seen.insert(key.key_text()))
}
