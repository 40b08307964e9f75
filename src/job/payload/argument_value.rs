//! The two kinds of values that arguments are bound from.

use serde::de::{Deserializer, IntoDeserializer};
use serde_json::{Error, Value};

use super::python::value::{PyKind, PyValue};

/// An argument as a JSON value or a Python value.
pub(super) trait ArgumentValue:
    Sized + for<'de> Deserializer<'de, Error = Error> + for<'de> IntoDeserializer<'de, Error>
{
    fn is_none(&self) -> bool;
    fn none() -> Self;
    fn from_list(items: Vec<Self>) -> Self;
    fn from_keywords(pairs: Vec<(String, Self)>) -> Self;
    /// Returns the items of a list; `None` for any other value.
    fn items(&self) -> Option<Vec<Self>>;
    /// Returns the entries of a map whose keys are text; `None` for any other value.
    fn entries(&self) -> Option<Vec<(String, Self)>>;
}

impl ArgumentValue for Value {
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

impl ArgumentValue for PyValue {
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
