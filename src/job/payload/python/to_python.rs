//! Conversion of any value of serde to Python: a tuple stays a tuple, bytes stay bytes, a struct becomes a
//! `dict`, an enum variant with data becomes a `dict` of one key.

use std::fmt;

use serde::ser::{self, Serialize};

use super::stash;
use super::value::{PyKind, PyValue};

/// Converts a value of a user's own type.
pub(crate) fn to_python<T: ?Sized + Serialize>(value: &T) -> Result<PyValue, String> {
    value.serialize(ToPython).map_err(|error| error.0)
}

#[derive(Debug)]
pub(crate) struct ConversionError(String);

impl fmt::Display for ConversionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConversionError {}

impl ser::Error for ConversionError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        ConversionError(text.to_string())
    }
}

struct ToPython;

/// A list or tuple under construction, and the enum variant that wraps it.
struct SequenceBuilder {
    variant: Option<&'static str>,
    is_tuple: bool,
    items: Vec<PyValue>,
}

/// A dict under construction, and the enum variant that wraps it.
struct DictBuilder {
    variant: Option<&'static str>,
    key: Option<PyValue>,
    entries: Vec<(PyValue, PyValue)>,
}

fn wrap_in_variant(variant: Option<&'static str>, value: PyValue) -> PyValue {
    match variant {
        Some(name) => PyValue::dict([(PyValue::from(name), value)]),
        None => value,
    }
}

impl SequenceBuilder {
    fn new(variant: Option<&'static str>, is_tuple: bool, size: usize) -> Self {
        SequenceBuilder { variant, is_tuple, items: Vec::with_capacity(size.min(4096)) }
    }

    fn push<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), ConversionError> {
        self.items.push(value.serialize(ToPython)?);
        Ok(())
    }

    fn finish(self) -> PyValue {
        let items = self.items.into();
        let value = if self.is_tuple { PyKind::Tuple(items) } else { PyKind::List(items) };
        wrap_in_variant(self.variant, PyValue(value))
    }
}

impl DictBuilder {
    fn new(variant: Option<&'static str>) -> Self {
        DictBuilder { variant, key: None, entries: Vec::new() }
    }

    fn push<T: ?Sized + Serialize>(&mut self, key: PyValue, value: &T) -> Result<(), ConversionError> {
        self.entries.push((key, value.serialize(ToPython)?));
        Ok(())
    }

    fn finish(self) -> PyValue {
        wrap_in_variant(self.variant, PyValue(PyKind::Dict(self.entries.into())))
    }
}

macro_rules! whole_numbers {
    ($($method:ident($ty:ty);)*) => {
        $(fn $method(self, value: $ty) -> Result<PyValue, ConversionError> {
            Ok(PyValue(PyKind::Int(value.into())))
        })*
    };
}

impl ser::Serializer for ToPython {
    type Ok = PyValue;
    type Error = ConversionError;
    type SerializeSeq = SequenceBuilder;
    type SerializeTuple = SequenceBuilder;
    type SerializeTupleStruct = SequenceBuilder;
    type SerializeTupleVariant = SequenceBuilder;
    type SerializeMap = DictBuilder;
    type SerializeStruct = DictBuilder;
    type SerializeStructVariant = DictBuilder;

    whole_numbers! {
        serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_u8(u8); serialize_u16(u16); serialize_u32(u32);
    }

    fn serialize_u64(self, value: u64) -> Result<PyValue, ConversionError> {
        self.serialize_u128(value.into())
    }

    fn serialize_i128(self, value: i128) -> Result<PyValue, ConversionError> {
        Ok(PyValue(PyKind::from_i128(value)))
    }

    fn serialize_u128(self, value: u128) -> Result<PyValue, ConversionError> {
        Ok(PyValue(PyKind::from_u128(value)))
    }

    fn serialize_bool(self, value: bool) -> Result<PyValue, ConversionError> {
        Ok(PyValue(PyKind::Bool(value)))
    }

    fn serialize_f32(self, value: f32) -> Result<PyValue, ConversionError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<PyValue, ConversionError> {
        Ok(PyValue(PyKind::Float(value)))
    }

    fn serialize_char(self, value: char) -> Result<PyValue, ConversionError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<PyValue, ConversionError> {
        Ok(PyValue::from(value))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<PyValue, ConversionError> {
        Ok(PyValue(PyKind::Bytes(value.into())))
    }

    fn serialize_none(self) -> Result<PyValue, ConversionError> {
        Ok(PyValue(PyKind::None))
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<PyValue, ConversionError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<PyValue, ConversionError> {
        Ok(PyValue(PyKind::None))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<PyValue, ConversionError> {
        Ok(PyValue(PyKind::None))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<PyValue, ConversionError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<PyValue, ConversionError> {
        if name == stash::TYPE_NAME
            && let Some(value) = stash::take_stashed()
        {
            return Ok(value);
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<PyValue, ConversionError> {
        Ok(wrap_in_variant(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, size: Option<usize>) -> Result<SequenceBuilder, ConversionError> {
        Ok(SequenceBuilder::new(None, false, size.unwrap_or(0)))
    }

    fn serialize_tuple(self, size: usize) -> Result<SequenceBuilder, ConversionError> {
        Ok(SequenceBuilder::new(None, true, size))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        size: usize,
    ) -> Result<SequenceBuilder, ConversionError> {
        Ok(SequenceBuilder::new(None, true, size))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        size: usize,
    ) -> Result<SequenceBuilder, ConversionError> {
        Ok(SequenceBuilder::new(Some(variant), false, size))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<DictBuilder, ConversionError> {
        Ok(DictBuilder::new(None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<DictBuilder, ConversionError> {
        Ok(DictBuilder::new(None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<DictBuilder, ConversionError> {
        Ok(DictBuilder::new(Some(variant)))
    }
}

macro_rules! collect_items {
    ($($trait:ident::$method:ident;)*) => {
        $(impl ser::$trait for SequenceBuilder {
            type Ok = PyValue;
            type Error = ConversionError;

            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), ConversionError> {
                self.push(value)
            }

            fn end(self) -> Result<PyValue, ConversionError> {
                Ok(self.finish())
            }
        })*
    };
}

collect_items! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

macro_rules! collect_fields {
    ($($trait:ident)*) => {
        $(impl ser::$trait for DictBuilder {
            type Ok = PyValue;
            type Error = ConversionError;

            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), ConversionError> {
                self.push(PyValue::from(name), value)
            }

            fn end(self) -> Result<PyValue, ConversionError> {
                Ok(self.finish())
            }
        })*
    };
}

collect_fields! { SerializeStruct SerializeStructVariant }

impl ser::SerializeMap for DictBuilder {
    type Ok = PyValue;
    type Error = ConversionError;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), ConversionError> {
        self.key = Some(key.serialize(ToPython)?);
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), ConversionError> {
        let key = self.key.take().unwrap_or(PyValue(PyKind::None));
        self.push(key, value)
    }

    fn end(self) -> Result<PyValue, ConversionError> {
        Ok(self.finish())
    }
}
