//! Python's data: what a pickle of plain data can hold, and JSON cannot say.

mod de;
mod integer;
mod pickle;
mod repr;
mod ser;
mod size_check;
mod stash;
mod unpickle;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use serde::{Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use integer::BigInt;
pub(crate) use pickle::pickle;
pub(crate) use ser::to_python;
pub(crate) use size_check::check_value;
pub(super) use stash::is_py_value;
#[cfg(feature = "worker")]
pub(crate) use unpickle::check_pickle;
pub(crate) use unpickle::unpickle;

/// A value as Python has it, for handlers and arguments that need more than JSON can say: a
/// `datetime` that stays one, a `set`, a `Decimal`.
///
/// Most handlers do not need it: any type of serde takes these as the nearest thing it knows (text for
/// times, `Decimal` and `UUID`, a sequence for tuples and sets, seconds for a `timedelta`). A handler
/// that takes or returns a `PyValue` gets and gives the exact kind: its one argument, the list of all
/// positional ones, a dict of the keywords, or a dict of `args` and `kwargs` when there are both. In
/// JSON payloads only what JSON knows is kept apart.
///
/// ```
/// use rq_rs::PyValue;
///
/// let price = PyValue::decimal("9.90")?;
/// let arguments = PyValue::tuple([PyValue::from("ada"), PyValue::from(42), price]);
/// assert_eq!(arguments.to_string(), "('ada', 42, Decimal('9.90'))");
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct PyValue(pub(crate) PyKind);

/// The kinds of data. What is large is shared, as it is in Python: a list that stands in a pickle
/// a thousand times is one list.
#[derive(Clone, PartialEq)]
pub(crate) enum PyKind {
    None,
    Bool(bool),
    Int(i64),
    /// What does not fit into an `i64`.
    BigInt(Arc<BigInt>),
    Float(f64),
    Str(Arc<str>),
    Bytes(Arc<[u8]>),
    List(Arc<[PyValue]>),
    Tuple(Arc<[PyValue]>),
    Set(Arc<[PyValue]>),
    FrozenSet(Arc<[PyValue]>),
    Dict(Pairs),
    OrderedDict(Pairs),
    DateTime(PyDateTime),
    Date(NaiveDate),
    Time(PyTime),
    /// Python's own three numbers: days, seconds of a day, microseconds of a second.
    TimeDelta(i32, u32, u32),
    /// As text, which keeps its digits.
    Decimal(Arc<str>),
    Uuid(Uuid),
}

pub(crate) type Pairs = Arc<[(PyValue, PyValue)]>;

/// A `datetime.datetime`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct PyDateTime {
    pub(crate) naive: NaiveDateTime,
    pub(crate) fold: bool,
    /// Its zone as microseconds east of UTC; none when it is naive.
    pub(crate) offset: Option<i64>,
}

/// A `datetime.time`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct PyTime {
    pub(crate) time: NaiveTime,
    pub(crate) fold: bool,
    pub(crate) offset: Option<i64>,
}

/// In JSON that is about to be parsed, an integer of any size stands as `{"…": "digits"}`.
pub(super) const BIG_INT_IN_JSON: &str = "rq_rs::integer";

impl PyValue {
    /// Python's `None`.
    pub const NONE: PyValue = PyValue(PyKind::None);

    /// A `list`.
    pub fn list(items: impl IntoIterator<Item = PyValue>) -> Self {
        PyValue(PyKind::List(items.into_iter().collect()))
    }

    /// A `tuple`.
    pub fn tuple(items: impl IntoIterator<Item = PyValue>) -> Self {
        PyValue(PyKind::Tuple(items.into_iter().collect()))
    }

    /// A `set`. Python refuses elements that can change, such as lists.
    pub fn set(items: impl IntoIterator<Item = PyValue>) -> Self {
        PyValue(PyKind::Set(items.into_iter().collect()))
    }

    /// A `dict`, in this order.
    pub fn dict(pairs: impl IntoIterator<Item = (PyValue, PyValue)>) -> Self {
        PyValue(PyKind::Dict(pairs.into_iter().collect()))
    }

    /// A `collections.OrderedDict`.
    pub fn ordered_dict(pairs: impl IntoIterator<Item = (PyValue, PyValue)>) -> Self {
        PyValue(PyKind::OrderedDict(pairs.into_iter().collect()))
    }

    /// A `bytes`.
    pub fn bytes(bytes: &[u8]) -> Self {
        PyValue(PyKind::Bytes(bytes.into()))
    }

    /// A `decimal.Decimal`, as Python would write it.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn decimal(text: &str) -> Result<Self, String> {
        match unpickle::is_decimal(text) {
            true => Ok(PyValue(PyKind::Decimal(text.into()))),
            false => Err(format!("{text:?} is not a decimal number")),
        }
    }

    /// A `uuid.UUID`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn uuid(text: &str) -> Result<Self, String> {
        let id = Uuid::parse_str(text).map_err(|error| format!("{text:?} is not a UUID: {error}"))?;
        Ok(PyValue(PyKind::Uuid(id)))
    }

    /// An `int` of any size from its decimal digits.
    ///
    /// # Errors
    /// What is wrong with the digits.
    pub fn integer(digits: &str) -> Result<Self, String> {
        BigInt::kind_of_decimal(digits).map(PyValue)
    }

    /// A `datetime.datetime` with this moment in UTC.
    ///
    /// # Errors
    /// Python's years go from 1 to 9999.
    pub fn datetime(moment: chrono::DateTime<chrono::Utc>) -> Result<Self, String> {
        check_year(moment.year())?;
        Ok(PyValue(PyKind::DateTime(PyDateTime { naive: moment.naive_utc(), fold: false, offset: Some(0) })))
    }

    /// A `datetime.datetime` without a zone.
    ///
    /// # Errors
    /// Python's years go from 1 to 9999.
    pub fn naive_datetime(naive: NaiveDateTime) -> Result<Self, String> {
        check_year(naive.year())?;
        Ok(PyValue(PyKind::DateTime(PyDateTime { naive, fold: false, offset: None })))
    }

    /// A `datetime.date`.
    ///
    /// # Errors
    /// Python's years go from 1 to 9999.
    pub fn date(date: NaiveDate) -> Result<Self, String> {
        check_year(date.year())?;
        Ok(PyValue(PyKind::Date(date)))
    }

    /// A `datetime.timedelta`.
    pub fn timedelta(time: std::time::Duration) -> Self {
        let days = i32::try_from(time.as_secs() / 86_400).unwrap_or(i32::MAX).min(999_999_999);
        let seconds = u32::try_from(time.as_secs() % 86_400).unwrap_or_default();
        PyValue(PyKind::TimeDelta(days, seconds, time.subsec_micros()))
    }

    pub(crate) fn is_dict(&self) -> bool {
        matches!(self.0, PyKind::Dict(_) | PyKind::OrderedDict(_))
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.0 {
            PyKind::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The total seconds of a `timedelta`.
    pub(crate) fn seconds(&self) -> Option<f64> {
        match self.0 {
            PyKind::TimeDelta(days, seconds, micros) => {
                Some(f64::from(days) * 86_400.0 + f64::from(seconds) + f64::from(micros) / 1e6)
            }
            _ => None,
        }
    }

    /// What is written as text where there are no such kinds: ISO 8601 for times.
    pub(crate) fn text(&self) -> Option<String> {
        Some(match &self.0 {
            PyKind::Str(text) | PyKind::Decimal(text) => text.to_string(),
            PyKind::Uuid(id) => id.to_string(),
            PyKind::Date(date) => date.to_string(),
            PyKind::DateTime(moment) => {
                format!("{}T{}{}", moment.naive.date(), clock(moment.naive.time()), zone(moment.offset))
            }
            PyKind::Time(time) => format!("{}{}", clock(time.time), zone(time.offset)),
            _ => return None,
        })
    }

    /// Whether all floats in it are numbers.
    pub(crate) fn is_finite(&self) -> bool {
        match &self.0 {
            PyKind::Float(number) => number.is_finite(),
            PyKind::List(items) | PyKind::Tuple(items) | PyKind::Set(items) | PyKind::FrozenSet(items) => {
                items.iter().all(PyValue::is_finite)
            }
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) => {
                pairs.iter().all(|(key, value)| key.is_finite() && value.is_finite())
            }
            _ => true,
        }
    }

    /// Whether JSON says the same: of its own kinds only, but for tuples, which are lists there.
    pub(crate) fn is_json(&self) -> bool {
        match &self.0 {
            PyKind::None | PyKind::Bool(_) | PyKind::Int(_) | PyKind::BigInt(_) | PyKind::Str(_) => true,
            PyKind::Float(number) => number.is_finite(),
            PyKind::List(items) | PyKind::Tuple(items) => items.iter().all(PyValue::is_json),
            PyKind::Dict(pairs) => pairs.iter().all(|(key, value)| key.as_str().is_some() && value.is_json()),
            _ => false,
        }
    }

    /// As JSON can show it: bytes in base64, times as text, `nan`, `inf` and numbers that JSON readers would
    /// round as text, keys as text. A dict with keys that are the same as text is a list of pairs.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(AsJson(self)).unwrap_or_default()
    }

    fn as_key(&self) -> Cow<'_, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.text().unwrap_or_else(|| self.to_string())),
        }
    }
}

/// A value as [`PyValue::to_json`] shows it, to be written at once.
pub(crate) struct AsJson<'a>(pub(crate) &'a PyValue);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.0 {
            PyKind::None => serializer.serialize_unit(),
            PyKind::Bool(value) => serializer.serialize_bool(*value),
            PyKind::Int(value) => serializer.serialize_i64(*value),
            PyKind::BigInt(value) => match value.as_u128().and_then(|value| u64::try_from(value).ok()) {
                Some(value) => serializer.serialize_u64(value),
                None => serializer.collect_str(value),
            },
            PyKind::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            PyKind::Float(_) => serializer.collect_str(self.0),
            PyKind::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            PyKind::List(items) | PyKind::Tuple(items) | PyKind::Set(items) | PyKind::FrozenSet(items) => {
                serializer.collect_seq(items.iter().map(AsJson))
            }
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) if has_keys_of_its_own(pairs) => {
                serializer.collect_map(pairs.iter().map(|(key, value)| (key.as_key(), AsJson(value))))
            }
            PyKind::Dict(pairs) | PyKind::OrderedDict(pairs) => {
                serializer.collect_seq(pairs.iter().map(|(key, value)| [AsJson(key), AsJson(value)]))
            }
            PyKind::TimeDelta(..) => self.0.seconds().serialize(serializer),
            _ => serializer.serialize_str(&self.0.as_key()),
        }
    }
}

/// Whether the keys are as many as text.
fn has_keys_of_its_own(pairs: &[(PyValue, PyValue)]) -> bool {
    if pairs.iter().all(|(key, _)| key.as_str().is_some()) {
        return true;
    }
    let mut seen = HashSet::new();
    pairs.iter().all(|(key, _)| seen.insert(key.as_key()))
}

fn check_year(year: i32) -> Result<(), String> {
    if (1..=9999).contains(&year) { Ok(()) } else { Err(format!("Python has no year {year}")) }
}

/// `21:33:05`, with six digits more if there are any.
fn clock(time: NaiveTime) -> String {
    let form = if time.nanosecond() == 0 { "%H:%M:%S" } else { "%H:%M:%S%.6f" };
    time.format(form).to_string()
}

/// `+01:00`, as `isoformat` writes it.
fn zone(offset: Option<i64>) -> String {
    let Some(micros) = offset else { return String::new() };
    let (sign, micros) = if micros < 0 { ('-', -micros) } else { ('+', micros) };
    let seconds = micros / 1_000_000;
    let mut text = format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds % 60 > 0 || micros % 1_000_000 > 0 {
        text += &format!(":{:02}", seconds % 60);
    }
    if micros % 1_000_000 > 0 {
        text += &format!(".{:06}", micros % 1_000_000);
    }
    text
}

macro_rules! from {
    ($($ty:ty => $make:expr;)*) => {
        $(impl From<$ty> for PyValue {
            fn from(value: $ty) -> Self {
                #[allow(clippy::redundant_closure_call)]
                PyValue(($make)(value))
            }
        })*
    };
}

from! {
    bool => PyKind::Bool;
    i32 => |value| PyKind::Int(i64::from(value));
    i64 => PyKind::Int;
    u64 => |value| BigInt::kind_of_u128(u128::from(value));
    i128 => BigInt::kind_of_i128;
    u128 => BigInt::kind_of_u128;
    f64 => PyKind::Float;
    &str => |text: &str| PyKind::Str(text.into());
    String => |text: String| PyKind::Str(text.into());
    &[u8] => |bytes: &[u8]| PyKind::Bytes(bytes.into());
}
