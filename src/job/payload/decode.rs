//! Decoding of payloads, meta and results. The format is recognized from the bytes.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::call::Call;
use super::json;
#[cfg(feature = "worker")]
use super::limits::check_bytes;
#[cfg(feature = "worker")]
use super::python::unpickle::check_pickle;
use super::python::unpickle::unpickle;
use super::python::value::{PyKind, PyValue};
use super::serializer::Serializer;
use super::zlib::inflate;

/// Size in bytes from which JSON for handlers is decoded to Python values: small objects then take a
/// quarter of the memory of serde_json's.
const LARGE_JSON: usize = 64 * 1024;

#[cfg(feature = "worker")]
impl Serializer {
    /// Checks bytes of another program that are stored as they are. A pickle may hold objects that only
    /// Python can read.
    pub(crate) fn check(self, bytes: &[u8]) -> Result<(), String> {
        check_bytes(bytes.len())?;
        match self {
            Serializer::Json => {
                json::check_json(bytes)?;
                let is_json = std::str::from_utf8(bytes).is_ok() && json::is_valid(bytes);
                if is_json { Ok(()) } else { Err("it is not JSON".to_owned()) }
            }
            Serializer::Pickle => check_pickle(bytes),
        }
    }
}

/// Decodes a payload; the error says what is wrong with it. Without `with_json`, arguments that are kept as
/// Python values are not converted to JSON too, which would take several times their memory.
pub(crate) fn read_call(data: &[u8], with_json: bool) -> Result<Call, String> {
    let plain = inflate(data).map_err(|error| format!("the payload cannot be read: {error}"))?;
    let serializer = Serializer::detect(&plain);
    let payload = match serializer {
        Serializer::Json if json::has_large_integers(&plain) => json::parse_exactly(&plain),
        Serializer::Json if with_json || plain.len() < LARGE_JSON => return read_json_call(&plain),
        Serializer::Json => json::read_json(&plain),
        Serializer::Pickle => unpickle(&plain),
    };
    let payload = payload.map_err(|error| format!("the payload cannot be read: {error}"))?;
    python_call(payload, serializer, with_json)
}

/// Returns the format of a payload, which need not be readable.
pub(crate) fn serializer_of(data: &[u8]) -> Serializer {
    inflate(data).map(|plain| Serializer::detect(&plain)).unwrap_or_default()
}

/// Makes a call of RQ's four items.
fn python_call(payload: PyValue, serializer: Serializer, with_json: bool) -> Result<Call, String> {
    let wrong = |what: &str| format!("the payload is not (function, None, arguments, keywords): {what}");
    let (PyKind::Tuple(parts) | PyKind::List(parts)) = &payload.0 else {
        return Err(wrong("it is not a sequence"));
    };
    let [handler, instance, args, kwargs] = &**parts else {
        return Err(wrong(&format!("it has {} items", parts.len())));
    };
    let PyKind::Str(handler) = &handler.0 else {
        return Err(wrong("the function is not a name"));
    };
    if instance.0 != PyKind::None {
        return Err("the payload calls a method of an object, which only Python can".to_owned());
    }
    let (PyKind::Tuple(args) | PyKind::List(args)) = &args.0 else {
        return Err(wrong("the arguments are not a sequence"));
    };
    let PyKind::Dict(pairs) = &kwargs.0 else {
        return Err(wrong("the keywords are not a dict"));
    };
    let mut kwargs = Vec::with_capacity(pairs.len());
    for (name, value) in pairs.iter() {
        let name = name.as_str().ok_or_else(|| wrong("a keyword is not text"))?;
        kwargs.push((name.to_owned(), value.clone()));
    }
    let exact = Arguments { args: args.to_vec(), kwargs };
    let (args, kwargs) = if with_json { exact.to_json() } else { Default::default() };
    Ok(Call { handler: handler.to_string(), args, kwargs, exact: Some(Arc::new(exact)), serializer })
}

/// Decodes a payload in JSON without a detour over Python values.
fn read_json_call(data: &[u8]) -> Result<Call, String> {
    json::check_json(data).map_err(|error| format!("the payload cannot be read: {error}"))?;
    let (handler, instance, args, kwargs): (String, Value, Vec<Value>, Map<String, Value>) =
        json::read_trusted_json(data).map_err(|error| {
            format!("the payload is not [handler, null, [arguments], {{keywords}}]: {error}")
        })?;
    if !instance.is_null() {
        return Err("the payload calls a method of an object, which only Python can".to_owned());
    }
    Ok(Call { handler, args, kwargs, exact: None, serializer: Serializer::Json })
}

/// A decoded meta or result.
#[derive(Debug, Clone)]
pub(crate) struct DecodedValue {
    pub(crate) json: Value,
    /// The Python value, if JSON may not hold it without loss.
    pub(crate) exact: Option<PyValue>,
}

/// Decodes a meta or a result.
pub(crate) fn read_value(bytes: &[u8]) -> Result<DecodedValue, String> {
    if Serializer::detect(bytes) == Serializer::Json && !json::has_large_integers(bytes) {
        return Ok(DecodedValue { json: json::read_json(bytes)?, exact: None });
    }
    let exact = match Serializer::detect(bytes) {
        Serializer::Json => json::parse_exactly(bytes)?,
        Serializer::Pickle => unpickle(bytes)?,
    };
    Ok(DecodedValue { json: exact.to_json(), exact: Some(exact) })
}
