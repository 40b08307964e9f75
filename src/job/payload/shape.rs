//! Shape of a value that decides how it is passed as arguments.

use serde::Serialize;
use serde::ser::{self, Impossible};

/// Way in which a value is passed as arguments.
#[derive(Clone, Copy)]
pub(super) enum ArgumentShape {
    /// `()`.
    Nothing,
    /// Any value that is not one of the others.
    One,
    /// A tuple or an array.
    Positional,
    /// A struct or a map.
    Keywords,
}

/// Returns the shape of a value. The error refuses an enum variant with fields, whose meaning is not clear.
pub(super) fn argument_shape(value: &impl Serialize) -> Result<ArgumentShape, serde_json::Error> {
    value.serialize(ShapeProbe)
}

/// A serializer that visits only the outermost shape.
struct ShapeProbe;

/// Skips the elements.
struct SkipElements(ArgumentShape);

macro_rules! one {
    ($($method:ident($ty:ty);)*) => {
        $(fn $method(self, _: $ty) -> Result<ArgumentShape, Self::Error> {
            Ok(ArgumentShape::One)
        })*
    };
}

impl ser::Serializer for ShapeProbe {
    type Ok = ArgumentShape;
    type Error = serde_json::Error;
    type SerializeSeq = SkipElements;
    type SerializeTuple = SkipElements;
    type SerializeTupleStruct = SkipElements;
    type SerializeTupleVariant = SkipElements;
    type SerializeMap = SkipElements;
    type SerializeStruct = SkipElements;
    type SerializeStructVariant = Impossible<ArgumentShape, serde_json::Error>;

    one! {
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_i128(i128); serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64);
        serialize_u128(u128); serialize_f32(f32); serialize_f64(f64); serialize_char(char);
        serialize_str(&str); serialize_bytes(&[u8]);
    }

    fn serialize_none(self) -> Result<ArgumentShape, Self::Error> {
        Ok(ArgumentShape::One)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<ArgumentShape, Self::Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<ArgumentShape, Self::Error> {
        Ok(ArgumentShape::Nothing)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<ArgumentShape, Self::Error> {
        Ok(ArgumentShape::Nothing)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
    ) -> Result<ArgumentShape, Self::Error> {
        Ok(ArgumentShape::One)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<ArgumentShape, Self::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<ArgumentShape, Self::Error> {
        Ok(ArgumentShape::One)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<SkipElements, Self::Error> {
        Ok(SkipElements(ArgumentShape::One))
    }

    fn serialize_tuple(self, _: usize) -> Result<SkipElements, Self::Error> {
        Ok(SkipElements(ArgumentShape::Positional))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<SkipElements, Self::Error> {
        Ok(SkipElements(ArgumentShape::Positional))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<SkipElements, Self::Error> {
        Ok(SkipElements(ArgumentShape::One))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<SkipElements, Self::Error> {
        Ok(SkipElements(ArgumentShape::Keywords))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<SkipElements, Self::Error> {
        Ok(SkipElements(ArgumentShape::Keywords))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Self::Error> {
        Err(ser::Error::custom(format!("{name}::{variant} alone: put the enum into a tuple or a struct")))
    }
}

macro_rules! skip {
    ($($trait:ident::$method:ident($($arg:ty),*);)*) => {
        $(impl ser::$trait for SkipElements {
            type Ok = ArgumentShape;
            type Error = serde_json::Error;

            fn $method<T: ?Sized + Serialize>(&mut self, $(_: $arg,)* _: &T) -> Result<(), Self::Error> {
                Ok(())
            }

            fn end(self) -> Result<ArgumentShape, Self::Error> {
                Ok(self.0)
            }
        })*
    };
}

skip! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStruct::serialize_field(&'static str);
}

impl ser::SerializeMap for SkipElements {
    type Ok = ArgumentShape;
    type Error = serde_json::Error;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, _: &T) -> Result<(), Self::Error> {
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, _: &T) -> Result<(), Self::Error> {
        Ok(())
    }

    fn end(self) -> Result<ArgumentShape, Self::Error> {
        Ok(self.0)
    }
}
