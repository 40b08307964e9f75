//! From Python's data to any type of serde, the nearest kind that serde knows; and from any other
//! format to Python's data.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Error;

use super::super::json;
use super::{Pairs, PyKind, PyValue, stash};

impl<'de> IntoDeserializer<'de, Error> for PyValue {
    type Deserializer = PyValue;

    fn into_deserializer(self) -> PyValue {
        self
    }
}

fn entries(pairs: &Pairs) -> impl Iterator<Item = (PyValue, PyValue)> + '_ {
    pairs.iter().cloned()
}

impl<'de> Deserializer<'de> for PyValue {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0 {
            PyKind::None => visitor.visit_unit(),
            PyKind::Bool(value) => visitor.visit_bool(*value),
            PyKind::Int(value) => match u64::try_from(*value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(*value),
            },
            PyKind::BigInt(value) => match (value.as_u128(), value.as_i128()) {
                (Some(value), _) => match u64::try_from(value) {
                    Ok(value) => visitor.visit_u64(value),
                    Err(_) => visitor.visit_u128(value),
                },
                (_, Some(value)) => visitor.visit_i128(value),
                _ => visitor.visit_string(value.to_string()),
            },
            PyKind::Float(value) if !value.is_finite() && is_json::<V::Value>() => {
                Err(Error::custom(format!(
                    "JSON has no word for {self}: take a float, or a rq_rs::PyValue, in place of a serde_json::Value"
                )))
            }
            PyKind::Float(value) => visitor.visit_f64(*value),
            PyKind::Str(text) => visitor.visit_str(text),
            PyKind::Bytes(bytes) => visitor.visit_bytes(bytes),
            PyKind::List(items) | PyKind::Tuple(items) | PyKind::Set(items) | PyKind::FrozenSet(items) => {
                visit_items(items.to_vec(), visitor)
            }
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) => {
                let mut map = MapDeserializer::new(entries(pairs));
                let value = visitor.visit_map(&mut map)?;
                map.end()?;
                Ok(value)
            }
            PyKind::TimeDelta(..) => visitor.visit_f64(self.seconds().unwrap_or_default()),
            PyKind::DateTime(_)
            | PyKind::Date(_)
            | PyKind::Time(_)
            | PyKind::Decimal(_)
            | PyKind::Uuid(_) => visitor.visit_string(self.text().unwrap_or_default()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            PyKind::None => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// `bytes` are also a list of numbers, for `Vec<u8>`.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0 {
            PyKind::Bytes(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == stash::NAME {
            stash::stash(self);
            return visitor.visit_unit();
        }
        if name == RAW {
            let text = json::write(&self).map_err(Error::custom)?;
            let text = String::from_utf8(text).map_err(Error::custom)?;
            return visitor.visit_map(MapDeserializer::new([(RAW, text)].into_iter()));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.0 {
            PyKind::Str(name) => visitor.visit_enum(name.to_string().into_deserializer()),
            PyKind::Dict(pairs) if pairs.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(entries(pairs))))
            }
            _ => Err(Error::custom("expected the name of a variant, or a dict with that one key")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

/// Whether this makes a `serde_json::Value`, which would be null for a float that is no number.
fn is_json<T>() -> bool {
    std::any::type_name::<T>() == std::any::type_name::<serde_json::Value>()
}

fn visit_items<'de, V: Visitor<'de>>(items: Vec<PyValue>, visitor: V) -> Result<V::Value, Error> {
    let mut items = SeqDeserializer::new(items.into_iter());
    let value = visitor.visit_seq(&mut items)?;
    items.end()?;
    Ok(value)
}

impl<'de> Deserialize<'de> for PyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(stash::NAME, PyValueVisitor)
    }
}

/// How serde_json's `RawValue` says that it wants the text.
const RAW: &str = "$serde_json::private::RawValue";

/// Up to so many keys are compared one by one.
const FEW: usize = 8;

/// Takes what comes, from any format.
struct PyValueVisitor;

macro_rules! take {
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

    take! {
        visit_bool(bool); visit_i64(i64); visit_i128(i128); visit_u64(u64); visit_u128(u128);
        visit_f64(f64); visit_str(&str); visit_bytes(&[u8]);
    }

    /// Our own deserializer has put the value down; any other means none.
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
            && **key == *super::BIG_INT_IN_JSON
        {
            return PyValue::integer(digits).map_err(de::Error::custom);
        }
        Ok(PyValue::dict(last_of_each(pairs)))
    }
}

/// Of equal keys the first, with the value of the last, as all readers of JSON have it.
fn last_of_each(pairs: Vec<(PyValue, PyValue)>) -> Vec<(PyValue, PyValue)> {
    let mut places: HashMap<Arc<str>, usize> = HashMap::new();
    let mut kept: Vec<(PyValue, PyValue)> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let PyKind::Str(text) = &key.0 else {
            kept.push((key, value));
            continue;
        };
        let known = match kept.len() {
            0..FEW => kept.iter().position(|(one, _)| one.as_str() == Some(text)),
            FEW => {
                let texts = kept.iter().enumerate();
                places.extend(texts.filter_map(|(at, (one, _))| Some((one.as_str()?.into(), at))));
                places.get(text).copied()
            }
            _ => places.get(text).copied(),
        };
        match known {
            Some(at) => kept[at].1 = value,
            None => {
                if kept.len() >= FEW {
                    places.insert(text.clone(), kept.len());
                }
                kept.push((key, value));
            }
        }
    }
    kept
}
