//! `serde::Deserializer` for `PyValue`: from Python to any type of serde, which receives the nearest value
//! that it knows.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Error;

use super::integer::BigInt;
use super::stash;
use super::value::{PyKind, PyPairs, PyValue};
use crate::job::payload::json;

/// Name under which serde_json's `RawValue` asks for JSON text.
const RAW_JSON: &str = "$serde_json::private::RawValue";

impl<'de> IntoDeserializer<'de, Error> for PyValue {
    type Deserializer = PyValue;

    fn into_deserializer(self) -> PyValue {
        self
    }
}

fn entries(pairs: &PyPairs) -> impl Iterator<Item = (PyValue, PyValue)> + '_ {
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
            PyKind::BigInt(value) => visit_big_int(value, visitor),
            PyKind::Float(value) if !value.is_finite() && is_json_value::<V::Value>() => {
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
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) => visit_pairs(pairs, visitor),
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

    /// A `Vec<u8>` asks for a sequence, and receives `bytes` as one.
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
        if name == stash::TYPE_NAME {
            stash::stash(self);
            return visitor.visit_unit();
        }
        if name == RAW_JSON {
            let text = json::write(&self).map_err(Error::custom)?;
            let text = String::from_utf8(text).map_err(Error::custom)?;
            return visitor.visit_map(MapDeserializer::new([(RAW_JSON, text)].into_iter()));
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

/// Returns whether `T` is `serde_json::Value`, which turns `nan` and `inf` into `null` silently.
fn is_json_value<T>() -> bool {
    std::any::type_name::<T>() == std::any::type_name::<serde_json::Value>()
}

/// Visits the smallest type that holds the integer, or its digits as text.
fn visit_big_int<'de, V: Visitor<'de>>(value: &BigInt, visitor: V) -> Result<V::Value, Error> {
    match (value.as_u128(), value.as_i128()) {
        (Some(value), _) => match u64::try_from(value) {
            Ok(value) => visitor.visit_u64(value),
            Err(_) => visitor.visit_u128(value),
        },
        (_, Some(value)) => visitor.visit_i128(value),
        _ => visitor.visit_string(value.to_string()),
    }
}

fn visit_pairs<'de, V: Visitor<'de>>(pairs: &PyPairs, visitor: V) -> Result<V::Value, Error> {
    let mut map = MapDeserializer::new(entries(pairs));
    let value = visitor.visit_map(&mut map)?;
    map.end()?;
    Ok(value)
}

fn visit_items<'de, V: Visitor<'de>>(items: Vec<PyValue>, visitor: V) -> Result<V::Value, Error> {
    let mut items = SeqDeserializer::new(items.into_iter());
    let value = visitor.visit_seq(&mut items)?;
    items.end()?;
    Ok(value)
}
