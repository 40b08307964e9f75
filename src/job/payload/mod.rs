//! A call: handler name, positional and keyword arguments, and its two borders: bytes in Redis
//! and values of the user's own types. What a job was written in is seen from its bytes.

mod arguments;
#[cfg(feature = "worker")]
mod bind;
mod describe;
mod json;
mod limits;
#[cfg(feature = "cron")]
mod preview;
mod python;
mod zlib;

pub(crate) use arguments::Arguments;
#[cfg(feature = "cron")]
pub(crate) use arguments::json_text;
#[cfg(feature = "worker")]
pub(crate) use bind::{ArgumentError, bind};
use describe::describe;
#[cfg(feature = "cli")]
pub(crate) use limits::MAX_DATA_BYTES;
pub(crate) use limits::is_over_limit;
#[cfg(feature = "cron")]
pub(crate) use preview::{CallPreview, is_displayable_within, preview_call};
pub use python::PyValue;
pub(crate) use python::to_python;
#[cfg(feature = "cron")]
pub(crate) use zlib::inflate_head;
pub(crate) use zlib::{deflate, inflate};

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use python::{AsJson, PyKind, pickle, unpickle};

/// JSON of more bytes than this is read for handlers as Python has it: small objects then take a quarter of the
/// room that serde_json's do.
const LARGE: usize = 64 * 1024;

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
            Serializer::Json => json::write(value),
            Serializer::Pickle => write_pickle(&to_python(value)?),
        }
    }

    /// The same of a value that need not be made into one first.
    fn write_value(self, value: &PyValue) -> Result<Vec<u8>, String> {
        match self {
            Serializer::Json => json::write_value(value),
            Serializer::Pickle => write_pickle(value),
        }
    }

    /// Whether this can be kept as it is. Somebody else's pickle may hold what only Python reads.
    #[cfg(feature = "worker")]
    pub(crate) fn check(self, bytes: &[u8]) -> Result<(), String> {
        limits::check_bytes(bytes.len())?;
        match self {
            Serializer::Json => {
                json::check_json(bytes)?;
                let is_json = std::str::from_utf8(bytes).is_ok() && json::is_valid(bytes);
                if is_json { Ok(()) } else { Err("it is not JSON".to_owned()) }
            }
            Serializer::Pickle => python::check_pickle(bytes),
        }
    }
}

fn write_pickle(value: &PyValue) -> Result<Vec<u8>, String> {
    python::check_value(value)?;
    let bytes = pickle(value);
    limits::check_bytes(bytes.len())?;
    // A reader makes several things of a time or a number: where there may be too many, it is asked.
    if bytes.len() > limits::MAX_PARTS {
        unpickle(&bytes)?;
    }
    Ok(bytes)
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

    /// As Python would write it: `send_email("ada@example.com", retries=3)`; each argument is
    /// cut at 75 characters, as RQ does.
    pub fn describe(&self) -> String {
        match &self.exact {
            Some(exact) => describe_call(&self.handler, &exact.args, &exact.kwargs, self.serializer),
            None => describe(&self.handler, self.args.iter(), self.kwargs.iter()),
        }
    }
}

/// A call in the language that it is written in.
pub(crate) fn describe_call(
    handler: &str,
    args: &[PyValue],
    kwargs: &[(String, PyValue)],
    serializer: Serializer,
) -> String {
    match serializer {
        Serializer::Pickle => {
            describe(handler, args.iter(), kwargs.iter().map(|(name, value)| (name, value)))
        }
        Serializer::Json => {
            let kwargs = kwargs.iter().map(|(name, value)| (name, AsJson(value)));
            describe(handler, args.iter().map(AsJson), kwargs)
        }
    }
}

/// The positional arguments as JSON shows them.
#[cfg(feature = "worker")]
pub(crate) struct ArgsAsJson<'a>(pub(crate) &'a Call);

#[cfg(feature = "worker")]
impl Serialize for ArgsAsJson<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.exact {
            Some(exact) => serializer.collect_seq(exact.args.iter().map(AsJson)),
            None => self.0.args.serialize(serializer),
        }
    }
}

/// The keywords as JSON shows them.
#[cfg(feature = "worker")]
pub(crate) struct KwargsAsJson<'a>(pub(crate) &'a Call);

#[cfg(feature = "worker")]
impl Serialize for KwargsAsJson<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.exact {
            Some(exact) => {
                serializer.collect_map(exact.kwargs.iter().map(|(name, value)| (name, AsJson(value))))
            }
            None => self.0.kwargs.serialize(serializer),
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
    serializer.write_value(&PyValue::tuple([
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
    let serializer = Serializer::of(&plain);
    let exact = match serializer {
        Serializer::Json if json::has_large_integers(&plain) => json::parse_exactly(&plain),
        Serializer::Json if view || plain.len() < LARGE => return json::read_call(&plain),
        Serializer::Json => json::parse(&plain),
        Serializer::Pickle => unpickle(&plain),
    };
    exact_call(exact.map_err(|error| format!("the payload cannot be read: {error}"))?, serializer, view)
}

/// What wrote a payload, whether it can be read or not.
pub(crate) fn serializer_of(data: &[u8]) -> Serializer {
    inflate(data).map(|plain| Serializer::of(&plain)).unwrap_or_default()
}

fn exact_call(payload: PyValue, serializer: Serializer, view: bool) -> Result<Call, String> {
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
        let PyKind::Str(name) = &name.0 else {
            return Err(wrong("a keyword is not text"));
        };
        kwargs.push((name.to_string(), value.clone()));
    }
    let exact = Exact { args: args.to_vec(), kwargs };
    let (args, kwargs) = if view { exact.view() } else { Default::default() };
    Ok(Call { handler: handler.to_string(), args, kwargs, exact: Some(Arc::new(exact)), serializer })
}

/// Any JSON text, with the order of its keys and integers of any size.
pub(crate) fn parse_json(text: &str) -> Result<PyValue, String> {
    match json::has_large_integers(text.as_bytes()) {
        true => json::parse_exactly(text.as_bytes()),
        false => json::parse(text.as_bytes()),
    }
}

/// JSON if it is, else the text itself. JSON that is over the limits is not taken for text.
#[cfg(feature = "worker")]
pub(crate) fn json_or_text(text: &str) -> Result<PyValue, String> {
    match json::check_json(text.as_bytes()) {
        Ok(()) => Ok(parse_json(text).unwrap_or_else(|_| PyValue::from(text))),
        Err(error) if json::is_valid(text.as_bytes()) => Err(error),
        Err(_) => Ok(PyValue::from(text)),
    }
}

/// JSON of any kind, within the limits.
pub(crate) fn read_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    json::parse(text)
}

/// JSON that another part of this program wrote.
#[cfg(feature = "worker")]
pub(crate) fn read_trusted_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    json::build(text)
}

/// A meta or a result: what JSON can show of it, and all of it when that is more.
#[derive(Debug, Clone)]
pub(crate) struct DecodedValue {
    pub(crate) json: Value,
    pub(crate) exact: Option<PyValue>,
}

/// Reads a meta or a result.
pub(crate) fn read_value(bytes: &[u8]) -> Result<DecodedValue, String> {
    if Serializer::of(bytes) == Serializer::Json && !json::has_large_integers(bytes) {
        return Ok(DecodedValue { json: json::parse(bytes)?, exact: None });
    }
    let exact = match Serializer::of(bytes) {
        Serializer::Json => json::parse_exactly(bytes)?,
        Serializer::Pickle => unpickle(bytes)?,
    };
    Ok(DecodedValue { json: exact.to_json(), exact: Some(exact) })
}
