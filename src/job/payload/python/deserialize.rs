//! `serde::Deserialize` for `PyValue`: from any format to Python.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::stash;
use super::value::{PyKind, PyValue};

/// Stands in JSON text that is about to be parsed for an integer of any size: `{"rq_rs::integer":
/// "digits"}`.
pub(crate) const BIG_INT_KEY: &str = "rq_rs::integer";

impl<'de> Deserialize<'de> for PyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(stash::TYPE_NAME, PyValueVisitor)
    }
}

/// Up to this many keys are compared one by one; beyond it a hash map finds them.
const SMALL_DICT: usize = 8;

/// Accepts any value of any format.
struct PyValueVisitor;

macro_rules! visit_scalars {
    ($($method:ident($ty:ty);)*) => {
        $(fn $method<E: de::Error>(self, value: $ty) -> Result<PyValue, E> {
            Ok(PyValue::from(value))
        })*
    };
}

impl<'de> Visitor<'de> for PyValueVisitor {
    type Value = PyValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data")
    }

    visit_scalars! {
        visit_bool(bool); visit_i64(i64); visit_i128(i128); visit_u64(u64); visit_u128(u128);
        visit_f64(f64); visit_str(&str); visit_bytes(&[u8]);
    }

    /// Our own deserializer has stashed the value; a unit of any other format is `None`.
    fn visit_unit<E: de::Error>(self) -> Result<PyValue, E> {
        Ok(stash::take_stashed().unwrap_or(PyValue(PyKind::None)))
    }

    fn visit_none<E: de::Error>(self) -> Result<PyValue, E> {
        Ok(PyValue(PyKind::None))
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<PyValue, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<PyValue, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<PyValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<PyValue>()? {
            list.push(item);
        }
        Ok(PyValue::list(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<PyValue, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = entries.next_entry::<PyValue, PyValue>()? {
            pairs.push(pair);
        }
        if let [(PyValue(PyKind::Str(key)), PyValue(PyKind::Str(digits)))] = pairs.as_slice()
            && **key == *BIG_INT_KEY
        {
            return PyValue::integer(digits).map_err(de::Error::custom);
        }
        Ok(PyValue::dict(merge_equal_keys(pairs)))
    }
}

/// Keeps the first position and the last value of equal keys, as JSON readers do.
fn merge_equal_keys(pairs: Vec<(PyValue, PyValue)>) -> Vec<(PyValue, PyValue)> {
    let mut positions: HashMap<Arc<str>, usize> = HashMap::new();
    let mut merged: Vec<(PyValue, PyValue)> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let PyKind::Str(text) = &key.0 else {
            merged.push((key, value));
            continue;
        };
        let known = match merged.len() {
            0..SMALL_DICT => merged.iter().position(|(key, _)| key.as_str() == Some(text)),
            SMALL_DICT => {
                let texts = merged.iter().enumerate();
                positions.extend(texts.filter_map(|(at, (key, _))| Some((key.as_str()?.into(), at))));
                positions.get(text).copied()
            }
            _ => positions.get(text).copied(),
        };
        match known {
            Some(at) => merged[at].1 = value,
            None => {
                if merged.len() >= SMALL_DICT {
                    positions.insert(text.clone(), merged.len());
                }
                merged.push((key, value));
            }
        }
    }
    merged
}
