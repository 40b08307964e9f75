//! Positional and keyword arguments.

use serde::Serialize;
use serde_json::{Map, Value};

#[cfg(feature = "cron")]
use super::json::parse_json;
use super::python::to_python::to_python;
use super::python::value::{PyKind, PyValue};
use super::shape::{ArgumentShape, argument_shape};

/// Positional and keyword arguments as Python values.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) args: Vec<PyValue>,
    pub(crate) kwargs: Vec<(String, PyValue)>,
}

impl Arguments {
    /// Converts a value of the caller's own type, whose shape decides how it is passed.
    pub(crate) fn from_value(value: &impl Serialize) -> Result<Self, String> {
        let refuse = |error: &dyn std::fmt::Display| format!("the arguments cannot be written: {error}");
        let shape = argument_shape(value).map_err(|error| refuse(&error))?;
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

    /// Converts to JSON, as far as JSON has the types.
    pub(super) fn to_json(&self) -> (Vec<Value>, Map<String, Value>) {
        (
            self.args.iter().map(PyValue::to_json).collect(),
            self.kwargs.iter().map(|(name, value)| (name.clone(), value.to_json())).collect(),
        )
    }
}

/// Arguments as JSON texts, as the record of a cron entry has them.
#[cfg(feature = "cron")]
impl Arguments {
    /// Returns a list and an object as JSON texts; `None` for no arguments, RQ's placeholder for arguments
    /// that JSON cannot hold.
    pub(crate) fn to_texts(&self) -> (Option<String>, Option<String>) {
        let args = PyValue::list(self.args.iter().cloned());
        let named = |(name, value): &(String, PyValue)| (PyValue::from(&**name), value.clone());
        let kwargs = PyValue::dict(self.kwargs.iter().map(named));
        (
            (!self.args.is_empty()).then(|| json_text(&args)),
            (!self.kwargs.is_empty()).then(|| json_text(&kwargs)),
        )
    }

    /// Reads what [`to_texts`](Self::to_texts) writes. Texts that cannot be read become no arguments.
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

/// RQ's placeholder for arguments that JSON cannot hold.
#[cfg(feature = "cron")]
const NOT_JSON: &str = "<not JSON serializable>";

/// Returns the value as JSON text, or RQ's placeholder if JSON cannot hold it without loss.
#[cfg(feature = "cron")]
pub(crate) fn json_text(value: &PyValue) -> String {
    let written = value.is_json().then(|| serde_json::to_string(value).ok()).flatten();
    written.unwrap_or_else(|| NOT_JSON.to_owned())
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
        let arguments = Arguments::from_value(&value).unwrap();
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
