//! `serde::Serialize` for `PyValue`: exact for our own serializer, the nearest value for any other format.

use std::collections::HashSet;

use serde::ser::{self, Serialize, SerializeTuple as _};

use super::integer::BigInt;
use super::stash;
use super::value::{PyKind, PyValue};

impl Serialize for PyValue {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        stash::stash(self.clone());
        let result = serializer.serialize_newtype_struct(stash::TYPE_NAME, &Portable(self));
        stash::take_stashed();
        result
    }
}

/// Serializes the nearest value that a format without Python's types has.
struct Portable<'a>(&'a PyValue);

impl Serialize for Portable<'_> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.0 {
            PyKind::None => serializer.serialize_none(),
            PyKind::Bool(value) => serializer.serialize_bool(*value),
            PyKind::Int(value) => serializer.serialize_i64(*value),
            PyKind::BigInt(value) => serialize_big_int(value, serializer),
            PyKind::Float(value) => serializer.serialize_f64(*value),
            PyKind::Str(text) => serializer.serialize_str(text),
            PyKind::Bytes(bytes) => serializer.serialize_bytes(bytes),
            PyKind::Tuple(items) => {
                let mut tuple = serializer.serialize_tuple(items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_element(&Portable(item)))?;
                tuple.end()
            }
            PyKind::List(items) | PyKind::Set(items) | PyKind::FrozenSet(items) => {
                serializer.collect_seq(items.iter().map(Portable))
            }
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) => {
                if serializer.is_human_readable() {
                    check_distinct_keys(pairs).map_err(ser::Error::custom)?;
                }
                serializer.collect_map(pairs.iter().map(|(key, value)| (Portable(key), Portable(value))))
            }
            PyKind::TimeDelta(..) => serializer.serialize_f64(self.0.seconds().unwrap_or_default()),
            PyKind::DateTime(_)
            | PyKind::Date(_)
            | PyKind::Time(_)
            | PyKind::Decimal(_)
            | PyKind::Uuid(_) => serializer.serialize_str(&self.0.text().unwrap_or_default()),
        }
    }
}

/// Integers of more than 128 bits are written as raw JSON, which has numbers of any size.
fn serialize_big_int<S: ser::Serializer>(value: &BigInt, serializer: S) -> Result<S::Ok, S::Error> {
    match (value.as_i128(), value.as_u128()) {
        (Some(value), _) => serializer.serialize_i128(value),
        (_, Some(value)) => serializer.serialize_u128(value),
        _ => serde_json::value::RawValue::from_string(value.to_string())
            .map_err(ser::Error::custom)?
            .serialize(serializer),
    }
}

/// Refuses keys such as `1` and `"1"`: a text format writes them alike, and readers keep only the last one.
fn check_distinct_keys(pairs: &[(PyValue, PyValue)]) -> Result<(), String> {
    if pairs.iter().all(|(key, _)| key.as_str().is_some()) {
        return Ok(());
    }
    let mut seen = HashSet::new();
    for (key, _) in pairs {
        let text = match &key.0 {
            PyKind::Bool(value) => value.to_string(),
            // Rust's notation differs from JSON's, but equal texts still mean equal numbers.
            PyKind::Float(number) => format!("{number:?}"),
            _ => key.text().unwrap_or_else(|| key.to_string()),
        };
        if let Some(text) = seen.replace(text) {
            return Err(format!("a dict has two keys that are both {text:?} as text"));
        }
    }
    Ok(())
}
