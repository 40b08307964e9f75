//! From the arguments of a call to a value of the handler's own type, the way Python binds them:
//! a struct takes keywords, or positions in the order of its fields; a tuple takes positions.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde_json::{Error, Value};

use super::Call;
use super::python::{PyKind, PyValue, is_py_value};

/// Why arguments do not fit: which one, and what was expected.
#[derive(Debug)]
pub(crate) struct ArgumentError(pub(crate) String);

/// Binds the arguments of a call to the type a handler takes.
pub(crate) fn bind<T: DeserializeOwned>(call: Call) -> Result<T, ArgumentError> {
    match call.exact {
        Some(exact) => deserialize(Bind { args: exact.args.clone(), kwargs: exact.kwargs.clone() }),
        None => deserialize(Bind { args: call.args, kwargs: call.kwargs.into_iter().collect() }),
    }
}

fn deserialize<V: Argument, T: DeserializeOwned>(arguments: Bind<V>) -> Result<T, ArgumentError> {
    serde_path_to_error::deserialize(arguments)
        .map_err(|error| ArgumentError(locate(&error.path().to_string(), &error.into_inner().to_string())))
}

/// What both kinds of values can do: JSON's and Python's.
trait Argument:
    Sized + for<'de> Deserializer<'de, Error = Error> + for<'de> IntoDeserializer<'de, Error>
{
    fn is_none(&self) -> bool;
    fn none() -> Self;
    fn from_list(items: Vec<Self>) -> Self;
    fn from_keywords(pairs: Vec<(String, Self)>) -> Self;
    /// Its items, when it is a list.
    fn items(&self) -> Option<Vec<Self>>;
    /// Its entries, when it is a map with keys of text.
    fn entries(&self) -> Option<Vec<(String, Self)>>;
}

impl Argument for Value {
    fn is_none(&self) -> bool {
        self.is_null()
    }

    fn none() -> Self {
        Value::Null
    }

    fn from_list(items: Vec<Self>) -> Self {
        Value::Array(items)
    }

    fn from_keywords(pairs: Vec<(String, Self)>) -> Self {
        Value::Object(pairs.into_iter().collect())
    }

    fn items(&self) -> Option<Vec<Self>> {
        self.as_array().cloned()
    }

    fn entries(&self) -> Option<Vec<(String, Self)>> {
        Some(self.as_object()?.clone().into_iter().collect())
    }
}

impl Argument for PyValue {
    fn is_none(&self) -> bool {
        *self == PyValue::NONE
    }

    fn none() -> Self {
        PyValue::NONE
    }

    fn from_list(items: Vec<Self>) -> Self {
        PyValue::list(items)
    }

    fn from_keywords(pairs: Vec<(String, Self)>) -> Self {
        PyValue::dict(pairs.into_iter().map(|(name, value)| (PyValue::from(name), value)))
    }

    fn items(&self) -> Option<Vec<Self>> {
        match &self.0 {
            PyKind::List(items) | PyKind::Tuple(items) => Some(items.to_vec()),
            _ => None,
        }
    }

    fn entries(&self) -> Option<Vec<(String, Self)>> {
        match &self.0 {
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) => {
                pairs.iter().map(|(name, value)| Some((name.as_str()?.to_owned(), value.clone()))).collect()
            }
            _ => None,
        }
    }
}

/// `[1].email: …` is for programmers; people count from one.
fn locate(path: &str, reason: &str) -> String {
    if path == "." {
        return reason.to_owned();
    }
    match path.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((index, rest)) => {
            let number = index.parse::<usize>().unwrap_or(0) + 1;
            format!("argument {number}{}: {reason}", rest.replacen('.', ", field ", 1))
        }
        None => format!("argument `{path}`: {reason}"),
    }
}

struct Bind<V> {
    args: Vec<V>,
    kwargs: Vec<(String, V)>,
}

impl<V: Argument> Bind<V> {
    /// "2 arguments" or "1 argument and keywords `a`, `b`".
    fn given(&self) -> String {
        let names: Vec<String> = self.kwargs.iter().map(|(name, _)| format!("`{name}`")).collect();
        let count = format!("{} argument{}", self.args.len(), if self.args.len() == 1 { "" } else { "s" });
        match names.len() {
            0 => count,
            _ if self.args.is_empty() => format!("keywords {}", names.join(", ")),
            _ => format!("{count} and keywords {}", names.join(", ")),
        }
    }

    fn one(mut self) -> Result<V, Error> {
        match (self.args.len(), self.kwargs.is_empty()) {
            (1, true) => Ok(self.args.remove(0)),
            _ => Err(Error::custom(format!("takes 1 argument, got {}", self.given()))),
        }
    }

    fn positions(self, count: usize) -> Result<Vec<V>, Error> {
        if self.args.len() == count && self.kwargs.is_empty() {
            return Ok(self.args);
        }
        let plural = if count == 1 { "" } else { "s" };
        Err(Error::custom(format!("takes {count} argument{plural}, got {}", self.given())))
    }

    /// Positions get the names of the fields they stand for.
    fn keywords(mut self, fields: &[&str]) -> Result<Vec<(String, V)>, Error> {
        if self.kwargs.is_empty()
            && let [only] = self.args.as_slice()
            && let Some(only) = only.entries()
        {
            return Ok(only);
        }
        if self.args.len() > fields.len() {
            return Err(Error::custom(format!(
                "takes {} arguments ({}), got {}",
                fields.len(),
                fields.join(", "),
                self.given()
            )));
        }
        for (field, value) in fields.iter().zip(self.args) {
            if self.kwargs.iter().any(|(name, _)| name == field) {
                return Err(Error::custom(format!("got `{field}` both by position and by name")));
            }
            self.kwargs.push(((*field).to_owned(), value));
        }
        Ok(self.kwargs)
    }

    /// For handlers that take whatever comes.
    fn whole(mut self) -> V {
        match (self.args.len(), self.kwargs.is_empty()) {
            (0, true) => V::none(),
            (0, false) => V::from_keywords(self.kwargs),
            (1, true) => self.args.remove(0),
            (_, true) => V::from_list(self.args),
            (_, false) => V::from_keywords(vec![
                ("args".to_owned(), V::from_list(self.args)),
                ("kwargs".to_owned(), V::from_keywords(self.kwargs)),
            ]),
        }
    }
}

macro_rules! take_one {
    ($($method:ident)*) => {
        $(fn $method<W: Visitor<'de>>(self, visitor: W) -> Result<W::Value, Error> {
            self.one()?.$method(visitor)
        })*
    };
}

impl<'de, V: Argument> Deserializer<'de> for Bind<V> {
    type Error = Error;

    take_one! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_identifier
    }

    fn deserialize_any<W: Visitor<'de>>(self, visitor: W) -> Result<W::Value, Error> {
        self.whole().deserialize_any(visitor)
    }

    fn deserialize_ignored_any<W: Visitor<'de>>(self, visitor: W) -> Result<W::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<W: Visitor<'de>>(self, visitor: W) -> Result<W::Value, Error> {
        if (self.args.is_empty() || matches!(self.args.as_slice(), [only] if only.is_none()))
            && self.kwargs.is_empty()
        {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<W: Visitor<'de>>(self, visitor: W) -> Result<W::Value, Error> {
        self.positions(0)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<W: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: W,
    ) -> Result<W::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<W: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: W,
    ) -> Result<W::Value, Error> {
        if is_py_value(name) {
            return self.whole().deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    /// One argument that is a list is that list; else all arguments are (as Python's `*args`).
    fn deserialize_seq<W: Visitor<'de>>(mut self, visitor: W) -> Result<W::Value, Error> {
        if let [only] = self.args.as_slice()
            && let Some(items) = only.items()
        {
            self.args = items;
        }
        let count = self.args.len();
        visitor.visit_seq(SeqDeserializer::new(self.positions(count)?.into_iter()))
    }

    fn deserialize_tuple<W: Visitor<'de>>(self, count: usize, visitor: W) -> Result<W::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(self.positions(count)?.into_iter()))
    }

    fn deserialize_tuple_struct<W: Visitor<'de>>(
        self,
        _: &'static str,
        count: usize,
        visitor: W,
    ) -> Result<W::Value, Error> {
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<W: Visitor<'de>>(self, visitor: W) -> Result<W::Value, Error> {
        visitor.visit_map(MapDeserializer::new(self.keywords(&[])?.into_iter()))
    }

    fn deserialize_struct<W: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: W,
    ) -> Result<W::Value, Error> {
        visitor.visit_map(MapDeserializer::new(self.keywords(fields)?.into_iter()))
    }

    fn deserialize_enum<W: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: W,
    ) -> Result<W::Value, Error> {
        self.one()?.deserialize_enum(name, variants, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::bind as bind_call;
    use crate::job::Call;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    fn bind<T: DeserializeOwned>(args: Value, kwargs: Value) -> Result<T, String> {
        let (Value::Array(args), Value::Object(kwargs)) = (args, kwargs) else {
            panic!("a list and an object")
        };
        let handler = "f".to_owned();
        let call = Call { handler, args, kwargs, exact: None, serializer: crate::Serializer::Json };
        bind_call(call).map_err(|mismatch| mismatch.0)
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Email {
        to: String,
        tries: u8,
    }

    #[test]
    fn a_struct_takes_keywords_positions_or_both() {
        let email = Email { to: "ada".into(), tries: 3 };
        for (args, kwargs) in [
            (json!([]), json!({"to": "ada", "tries": 3})),
            (json!(["ada", 3]), json!({})),
            (json!(["ada"]), json!({"tries": 3})),
            (json!([{"to": "ada", "tries": 3}]), json!({})),
        ] {
            assert_eq!(bind::<Email>(args, kwargs).as_ref(), Ok(&email));
        }
    }

    #[test]
    fn tuples_scalars_lists_options_and_nothing() {
        assert_eq!(bind::<(i64, String)>(json!([1, "two"]), json!({})), Ok((1, "two".into())));
        assert_eq!(bind::<i64>(json!([7]), json!({})), Ok(7));
        assert_eq!(bind::<Vec<i64>>(json!([[1, 2]]), json!({})), Ok(vec![1, 2]));
        assert_eq!(bind::<Vec<i64>>(json!([1, 2]), json!({})), Ok(vec![1, 2]));
        assert_eq!(bind::<()>(json!([]), json!({})), Ok(()));
        assert_eq!(bind::<Option<i64>>(json!([]), json!({})), Ok(None));
        assert_eq!(bind::<Option<i64>>(json!([7]), json!({})), Ok(Some(7)));
        assert_eq!(bind::<Value>(json!([1, 2]), json!({})), Ok(json!([1, 2])));
    }

    #[test]
    fn a_misfit_names_the_argument() {
        for (error, expected) in [
            (
                bind::<(i64, i64)>(json!([1, "two"]), json!({})).unwrap_err(),
                "argument 2: invalid type: string \"two\", expected i64",
            ),
            (bind::<(i64, i64)>(json!([1]), json!({})).unwrap_err(), "takes 2 arguments, got 1 argument"),
            (bind::<(i64,)>(json!([]), json!({"x": 1})).unwrap_err(), "takes 1 argument, got keywords `x`"),
            (
                bind::<Email>(json!([]), json!({"to": "ada", "tries": -1})).unwrap_err(),
                "argument `tries`: invalid value: integer `-1`, expected u8",
            ),
            (bind::<Email>(json!([]), json!({"to": "ada"})).unwrap_err(), "missing field `tries`"),
            (
                bind::<Email>(json!(["ada"]), json!({"to": "bob", "tries": 1})).unwrap_err(),
                "got `to` both by position and by name",
            ),
            (
                bind::<Email>(json!([1, 2, 3]), json!({})).unwrap_err(),
                "takes 2 arguments (to, tries), got 3 arguments",
            ),
            (
                bind::<(Email,)>(json!([{"to": 1}]), json!({})).unwrap_err(),
                "argument 1, field to: invalid type: integer `1`, expected a string",
            ),
            (bind::<()>(json!([1]), json!({})).unwrap_err(), "takes 0 arguments, got 1 argument"),
        ] {
            assert_eq!(error, expected);
        }
    }
}
