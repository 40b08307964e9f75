//! Binds the arguments of a call to the type that a handler takes, as Python binds them to parameters: a
//! struct takes keywords, or positions in the order of its fields; a tuple takes positions.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde_json::Error;

use super::argument_value::ArgumentValue;
use super::call::Call;
use super::python::stash::is_py_value;

/// Says which argument does not fit the handler's type, and what was expected.
#[derive(Debug)]
pub(crate) struct ArgumentError(pub(crate) String);

/// Binds the arguments of a call to the type a handler takes.
pub(crate) fn bind<T: DeserializeOwned>(call: Call) -> Result<T, ArgumentError> {
    match call.exact {
        Some(exact) => deserialize(BindArguments { args: exact.args.clone(), kwargs: exact.kwargs.clone() }),
        None => deserialize(BindArguments { args: call.args, kwargs: call.kwargs.into_iter().collect() }),
    }
}

fn deserialize<V: ArgumentValue, T: DeserializeOwned>(
    arguments: BindArguments<V>,
) -> Result<T, ArgumentError> {
    serde_path_to_error::deserialize(arguments).map_err(|error| {
        ArgumentError(name_argument(&error.path().to_string(), &error.into_inner().to_string()))
    })
}

/// Turns a path such as `[1].email` into "argument 2, field email".
fn name_argument(path: &str, reason: &str) -> String {
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

/// The arguments of a call as a deserializer of the handler's type.
struct BindArguments<V> {
    args: Vec<V>,
    kwargs: Vec<(String, V)>,
}

impl<V: ArgumentValue> BindArguments<V> {
    /// Describes the arguments: "2 arguments" or "1 argument and keywords `a`, `b`".
    fn describe(&self) -> String {
        let names: Vec<String> = self.kwargs.iter().map(|(name, _)| format!("`{name}`")).collect();
        let count = format!("{} argument{}", self.args.len(), if self.args.len() == 1 { "" } else { "s" });
        match names.len() {
            0 => count,
            _ if self.args.is_empty() => format!("keywords {}", names.join(", ")),
            _ => format!("{count} and keywords {}", names.join(", ")),
        }
    }

    /// Returns the only argument.
    fn single(mut self) -> Result<V, Error> {
        match (self.args.len(), self.kwargs.is_empty()) {
            (1, true) => Ok(self.args.remove(0)),
            _ => Err(Error::custom(format!("takes 1 argument, got {}", self.describe()))),
        }
    }

    /// Returns this many positional arguments.
    fn positional(self, count: usize) -> Result<Vec<V>, Error> {
        if self.args.len() == count && self.kwargs.is_empty() {
            return Ok(self.args);
        }
        let plural = if count == 1 { "" } else { "s" };
        Err(Error::custom(format!("takes {count} argument{plural}, got {}", self.describe())))
    }

    /// Returns all arguments by name. A positional argument gets the name of the field at its position.
    fn named(mut self, fields: &[&str]) -> Result<Vec<(String, V)>, Error> {
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
                self.describe()
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

    /// Returns all arguments as one value, for a handler that takes any.
    fn into_value(mut self) -> V {
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

macro_rules! deserialize_single {
    ($($method:ident)*) => {
        $(fn $method<W: Visitor<'de>>(self, visitor: W) -> Result<W::Value, Error> {
            self.single()?.$method(visitor)
        })*
    };
}

impl<'de, V: ArgumentValue> Deserializer<'de> for BindArguments<V> {
    type Error = Error;

    deserialize_single! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_identifier
    }

    fn deserialize_any<W: Visitor<'de>>(self, visitor: W) -> Result<W::Value, Error> {
        self.into_value().deserialize_any(visitor)
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
        self.positional(0)?;
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
            return self.into_value().deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    /// A single list is the sequence; otherwise all arguments are, as with Python's `*args`.
    fn deserialize_seq<W: Visitor<'de>>(mut self, visitor: W) -> Result<W::Value, Error> {
        if let [only] = self.args.as_slice()
            && let Some(items) = only.items()
        {
            self.args = items;
        }
        let count = self.args.len();
        visitor.visit_seq(SeqDeserializer::new(self.positional(count)?.into_iter()))
    }

    fn deserialize_tuple<W: Visitor<'de>>(self, count: usize, visitor: W) -> Result<W::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(self.positional(count)?.into_iter()))
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
        visitor.visit_map(MapDeserializer::new(self.named(&[])?.into_iter()))
    }

    fn deserialize_struct<W: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: W,
    ) -> Result<W::Value, Error> {
        visitor.visit_map(MapDeserializer::new(self.named(fields)?.into_iter()))
    }

    fn deserialize_enum<W: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: W,
    ) -> Result<W::Value, Error> {
        self.single()?.deserialize_enum(name, variants, visitor)
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
        bind_call(call).map_err(|error| error.0)
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
    fn an_error_names_the_argument() {
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
