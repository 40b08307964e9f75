//! A call: handler name, positional and keyword arguments, and its two borders: bytes in Redis
//! and values of the user's own types. What a job was written in is seen from its bytes.

mod arguments;
mod brief;
#[cfg(feature = "worker")]
mod fit;
#[cfg(feature = "cron")]
mod glance;
mod json;
mod python;
mod zlib;

pub(crate) use arguments::Arguments;
pub(crate) use brief::describe;
#[cfg(feature = "worker")]
pub(crate) use fit::{Mismatch, fit};
#[cfg(feature = "cron")]
pub(crate) use glance::{Glance, glance, is_shown_within};
pub use python::PyValue;
pub(crate) use python::to_python;
#[cfg(feature = "cron")]
pub(crate) use zlib::inflate_head;
pub(crate) use zlib::{deflate, inflate};

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use python::{Kind, pickle, unpickle};

/// How the values of a job are written: its arguments, its meta and its result. RQ's `-S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serializer {
    /// JSON.
    #[default]
    Json,
    /// Python's pickle, of plain data only. RQ's own default.
    Pickle,
}

impl Serializer {
    /// Which one wrote this.
    fn of(bytes: &[u8]) -> Self {
        if json::is_json(bytes) { Serializer::Json } else { Serializer::Pickle }
    }

    /// Writes a value of any type.
    pub(crate) fn write<T: ?Sized + Serialize>(self, value: &T) -> Result<Vec<u8>, String> {
        match self {
            Serializer::Json => serde_json::to_vec(value).map_err(|error| error.to_string()),
            Serializer::Pickle => Ok(pickle(&to_python(value)?)),
        }
    }
}

impl fmt::Display for Serializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Serializer::Json => "json",
            Serializer::Pickle => "pickle",
        })
    }
}

impl FromStr for Serializer {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "json" => Ok(Serializer::Json),
            "pickle" => Ok(Serializer::Pickle),
            _ => Err(format!("{word:?} is not a serializer: json or pickle")),
        }
    }
}

/// What a job calls: a handler by name, with positional and keyword arguments, as in RQ.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// The handler's name.
    pub handler: String,
    /// Positional arguments.
    pub args: Vec<Value>,
    /// Keyword arguments.
    pub kwargs: Map<String, Value>,
    /// The same as Python has them, when JSON cannot say all of it.
    pub(crate) exact: Option<Arc<Exact>>,
    /// What it was written with.
    pub(crate) serializer: Serializer,
}

/// Arguments as Python has them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exact {
    pub(crate) args: Vec<PyValue>,
    pub(crate) kwargs: Vec<(String, PyValue)>,
}

impl Exact {
    /// As JSON can show them.
    fn view(&self) -> (Vec<Value>, Map<String, Value>) {
        (
            self.args.iter().map(PyValue::to_json).collect(),
            self.kwargs.iter().map(|(name, value)| (name.clone(), value.to_json())).collect(),
        )
    }
}

impl Call {
    /// One that cannot be read here.
    #[cfg(feature = "worker")]
    pub(crate) fn unknown() -> Self {
        let serializer = Serializer::Pickle;
        Call { handler: String::new(), args: Vec::new(), kwargs: Map::new(), exact: None, serializer }
    }

    /// Its arguments as JSON, whether they were shown before or not.
    pub(crate) fn into_view(self) -> (Vec<Value>, Map<String, Value>) {
        match self.exact {
            Some(exact) => exact.view(),
            None => (self.args, self.kwargs),
        }
    }

    /// As Python would write it: `send_email("ada@example.com", retries=3)`; each argument is
    /// cut at 75 characters, as RQ does.
    pub fn describe(&self) -> String {
        match &self.exact {
            Some(exact) if self.serializer == Serializer::Pickle => {
                describe(&self.handler, &exact.args, exact.kwargs.iter().map(|(name, value)| (name, value)))
            }
            _ => describe(&self.handler, &self.args, self.kwargs.iter()),
        }
    }
}

/// Writes a payload: RQ's four items. The second one is where RQ keeps the object of a method.
pub(crate) fn write_call(
    handler: &str,
    arguments: &Arguments,
    serializer: Serializer,
) -> Result<Vec<u8>, String> {
    let kwargs = arguments.kwargs.iter().map(|(name, value)| (PyValue::from(&**name), value.clone()));
    serializer.write(&PyValue::tuple([
        PyValue::from(handler),
        PyValue::NONE,
        PyValue::tuple(arguments.args.iter().cloned()),
        PyValue::dict(kwargs),
    ]))
}

/// Reads a payload; the error says what is wrong with it. Without a view, arguments that are kept
/// exactly are not shown as JSON too, which can take a lot more room.
pub(crate) fn read_call(data: &[u8], view: bool) -> Result<Call, String> {
    let plain = inflate(data).map_err(|error| format!("the payload cannot be read: {error}"))?;
    match Serializer::of(&plain) {
        Serializer::Json if !json::has_large_integers(&plain) => json::read_call(&plain),
        Serializer::Json => exact_call(json::parse_exactly(&plain)?, Serializer::Json, view),
        Serializer::Pickle => exact_call(unpickle(&plain)?, Serializer::Pickle, view),
    }
}

/// What wrote a payload, whether it can be read or not.
pub(crate) fn serializer_of(data: &[u8]) -> Serializer {
    inflate(data).map(|plain| Serializer::of(&plain)).unwrap_or_default()
}

fn exact_call(payload: PyValue, serializer: Serializer, view: bool) -> Result<Call, String> {
    let wrong = |what: &str| format!("the payload is not (function, None, arguments, keywords): {what}");
    let (Kind::Tuple(parts) | Kind::List(parts)) = &payload.0 else {
        return Err(wrong("it is not a sequence"));
    };
    let [handler, instance, args, kwargs] = &**parts else {
        return Err(wrong(&format!("it has {} items", parts.len())));
    };
    let Kind::Str(handler) = &handler.0 else {
        return Err(wrong("the function is not a name"));
    };
    if instance.0 != Kind::None {
        return Err("the payload calls a method of an object, which only Python can".to_owned());
    }
    let (Kind::Tuple(args) | Kind::List(args)) = &args.0 else {
        return Err(wrong("the arguments are not a sequence"));
    };
    let Kind::Dict(pairs) = &kwargs.0 else {
        return Err(wrong("the keywords are not a dict"));
    };
    let mut kwargs = Vec::with_capacity(pairs.len());
    for (name, value) in pairs.iter() {
        let Kind::Str(name) = &name.0 else {
            return Err(wrong("a keyword is not text"));
        };
        kwargs.push((name.to_string(), value.clone()));
    }
    let exact = Exact { args: args.to_vec(), kwargs };
    let (args, kwargs) = if view { exact.view() } else { Default::default() };
    Ok(Call { handler: handler.to_string(), args, kwargs, exact: Some(Arc::new(exact)), serializer })
}

/// Any JSON text, with the order of its keys and integers of any size.
#[cfg(feature = "worker")]
pub(crate) fn parse_json(text: &str) -> Result<PyValue, String> {
    match json::has_large_integers(text.as_bytes()) {
        true => json::parse_exactly(text.as_bytes()),
        false => json::parse(text.as_bytes()),
    }
}

/// A meta or a result: what JSON can show of it, and all of it when that is more.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    pub(crate) json: Value,
    pub(crate) exact: Option<PyValue>,
}

/// Reads a meta or a result.
pub(crate) fn read_data(bytes: &[u8]) -> Result<Data, String> {
    if Serializer::of(bytes) == Serializer::Json && !json::has_large_integers(bytes) {
        return Ok(Data { json: json::parse(bytes)?, exact: None });
    }
    let exact = match Serializer::of(bytes) {
        Serializer::Json => json::parse_exactly(bytes)?,
        Serializer::Pickle => unpickle(bytes)?,
    };
    Ok(Data { json: exact.to_json(), exact: Some(exact) })
}
