//! Encoding of payloads, meta and results.

use serde::Serialize;

use super::arguments::Arguments;
use super::json;
use super::limits::{MAX_PARTS, check_bytes};
use super::python::pickle::pickle;
use super::python::size_check::check_value;
use super::python::to_python::to_python;
use super::python::unpickle::unpickle;
use super::python::value::PyValue;
use super::serializer::Serializer;

impl Serializer {
    /// Encodes a value of any type. The error says why it cannot be written.
    pub(crate) fn write<T: ?Sized + Serialize>(self, value: &T) -> Result<Vec<u8>, String> {
        match self {
            Serializer::Json => json::write(value),
            Serializer::Pickle => write_pickle(&to_python(value)?),
        }
    }

    /// Encodes a Python value, without a conversion.
    fn write_value(self, value: &PyValue) -> Result<Vec<u8>, String> {
        match self {
            Serializer::Json => json::write_value(value),
            Serializer::Pickle => write_pickle(value),
        }
    }
}

/// Refuses a value that [`unpickle`] would refuse.
fn write_pickle(value: &PyValue) -> Result<Vec<u8>, String> {
    check_value(value)?;
    let bytes = pickle(value);
    check_bytes(bytes.len())?;
    // A reader makes several objects of a time or a large integer, so a large pickle is read to count them.
    if bytes.len() > MAX_PARTS {
        unpickle(&bytes)?;
    }
    Ok(bytes)
}

/// Encodes a payload: handler, object (RQ's way to call a method, always `None` here), arguments, keywords.
pub(crate) fn write_call(
    handler: &str,
    arguments: &Arguments,
    serializer: Serializer,
) -> Result<Vec<u8>, String> {
    let kwargs = arguments.kwargs.iter().map(|(name, value)| (PyValue::from(&**name), value.clone()));
    serializer.write_value(&PyValue::tuple([
        PyValue::from(handler),
        PyValue::NONE,
        PyValue::tuple(arguments.args.iter().cloned()),
        PyValue::dict(kwargs),
    ]))
}
