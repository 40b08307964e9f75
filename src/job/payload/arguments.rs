//! From a value of the caller's own type to the arguments of a call. The shape decides: a tuple
//! or array is positional, a struct or map is keywords, `()` is nothing, all else is one argument.

use serde::Serialize;
use serde::ser::{self, Impossible};

#[cfg(feature = "cron")]
use super::parse_json;
use super::python::PyKind;
use super::{PyValue, to_python};

/// Positional and keyword arguments.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) args: Vec<PyValue>,
    pub(crate) kwargs: Vec<(String, PyValue)>,
}

impl Arguments {
    pub(crate) fn of(value: &impl Serialize) -> Result<Self, String> {
        let refuse = |error: &dyn std::fmt::Display| format!("the arguments cannot be written: {error}");
        let shape = value.serialize(ShapeProbe).map_err(|error| refuse(&error))?;
        let data = to_python(value).map_err(|error| refuse(&error))?;
        let mut arguments = Arguments::default();
        match (shape, &data.0) {
            (ArgumentShape::Nothing, _) => {}
            (ArgumentShape::Positional, PyKind::Tuple(args)) => arguments.args = args.to_vec(),
            (ArgumentShape::Keywords, PyKind::Dict(pairs))
                if pairs.iter().all(|(name, _)| name.as_str().is_some()) =>
            {
                let named =
                    |(name, value): &(PyValue, PyValue)| Some((name.as_str()?.to_owned(), value.clone()));
                arguments.kwargs = pairs.iter().filter_map(named).collect();
            }
            _ => arguments.args.push(data),
        }
        Ok(arguments)
    }
}

/// Arguments in texts of their own, as a note of a cron entry has them.
#[cfg(feature = "cron")]
impl Arguments {
    /// Texts that are read as the same arguments again; where JSON cannot say them, what RQ says then.
    pub(crate) fn to_texts(&self) -> (Option<String>, Option<String>) {
        let args = PyValue::list(self.args.iter().cloned());
        let named = |(name, value): &(String, PyValue)| (PyValue::from(&**name), value.clone());
        let kwargs = PyValue::dict(self.kwargs.iter().map(named));
        (
            (!self.args.is_empty()).then(|| json_text(&args)),
            (!self.kwargs.is_empty()).then(|| json_text(&kwargs)),
        )
    }

    /// What cannot be read is left out.
    pub(crate) fn from_texts(args: Option<&str>, kwargs: Option<&str>) -> Self {
        let read = |text: Option<&str>| text.and_then(|text| parse_json(text).ok()).map(|value| value.0);
        let args = match read(args) {
            Some(PyKind::List(items)) => items.to_vec(),
            _ => Vec::new(),
        };
        let named = |(name, value): &(PyValue, PyValue)| Some((name.as_str()?.to_owned(), value.clone()));
        let kwargs = match read(kwargs) {
            Some(PyKind::Dict(pairs)) => pairs.iter().filter_map(named).collect(),
            _ => Vec::new(),
        };
        Arguments { args, kwargs }
    }
}

/// RQ's words for arguments that JSON cannot say.
#[cfg(feature = "cron")]
const NOT_JSON: &str = "<not JSON serializable>";

/// JSON where it says the same as the value.
#[cfg(feature = "cron")]
pub(crate) fn json_text(value: &PyValue) -> String {
    let written = value.is_json().then(|| serde_json::to_string(value).ok()).flatten();
    written.unwrap_or_else(|| NOT_JSON.to_owned())
}

#[derive(Clone, Copy)]
enum ArgumentShape {
    Nothing,
    One,
    Positional,
    Keywords,
}

/// A serializer that only looks at the outermost shape.
struct ShapeProbe;

/// The elements inside, which are not looked at.
struct IgnoreElements(ArgumentShape);

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
    type SerializeSeq = IgnoreElements;
    type SerializeTuple = IgnoreElements;
    type SerializeTupleStruct = IgnoreElements;
    type SerializeTupleVariant = IgnoreElements;
    type SerializeMap = IgnoreElements;
    type SerializeStruct = IgnoreElements;
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

    fn serialize_seq(self, _: Option<usize>) -> Result<IgnoreElements, Self::Error> {
        Ok(IgnoreElements(ArgumentShape::One))
    }

    fn serialize_tuple(self, _: usize) -> Result<IgnoreElements, Self::Error> {
        Ok(IgnoreElements(ArgumentShape::Positional))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<IgnoreElements, Self::Error> {
        Ok(IgnoreElements(ArgumentShape::Positional))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<IgnoreElements, Self::Error> {
        Ok(IgnoreElements(ArgumentShape::One))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<IgnoreElements, Self::Error> {
        Ok(IgnoreElements(ArgumentShape::Keywords))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<IgnoreElements, Self::Error> {
        Ok(IgnoreElements(ArgumentShape::Keywords))
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
        $(impl ser::$trait for IgnoreElements {
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

impl ser::SerializeMap for IgnoreElements {
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

#[cfg(test)]
mod tests {
    use super::Arguments;
    use serde::Serialize;
    use serde_json::json;

    #[derive(Serialize)]
    struct Email {
        to: &'static str,
    }

    #[derive(Serialize)]
    struct UserId(u64);

    fn parts(value: impl Serialize) -> serde_json::Value {
        let arguments = Arguments::of(&value).unwrap();
        let kwargs: serde_json::Map<_, _> =
            arguments.kwargs.iter().map(|(name, value)| (name.clone(), value.to_json())).collect();
        json!([arguments.args, kwargs])
    }

    #[test]
    fn the_shape_of_a_value_decides_how_it_is_passed() {
        assert_eq!(parts((1, "two")), json!([[1, "two"], {}]));
        assert_eq!(parts([1, 2]), json!([[1, 2], {}]));
        assert_eq!(parts(Email { to: "ada" }), json!([[], {"to": "ada"}]));
        assert_eq!(parts(json!({"to": "ada"})), json!([[], {"to": "ada"}]));
        assert_eq!(parts(7), json!([[7], {}]));
        assert_eq!(parts(UserId(7)), json!([[7], {}]));
        assert_eq!(parts(vec![1, 2]), json!([[[1, 2]], {}]));
        assert_eq!(parts((Email { to: "ada" },)), json!([[{"to": "ada"}], {}]));
        assert_eq!(parts(None::<u8>), json!([[null], {}]));
        assert_eq!(parts(Some((1, 2))), json!([[1, 2], {}]));
        assert_eq!(parts(()), json!([[], {}]));
    }
}
