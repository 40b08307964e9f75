//! `PyValue`: a value of Python that is plain data.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};
use uuid::Uuid;

use super::decimal::is_decimal;
use super::integer::BigInt;

/// A Python value, for handlers and arguments that need more than JSON has: a `datetime`, a `set`,
/// a `Decimal`, `bytes`.
///
/// Most handlers do not need it. Any type of serde receives the nearest value it knows: text for times,
/// `Decimal` and `UUID`, a sequence for tuples and sets, seconds for a `timedelta`. A handler that takes or
/// returns a `PyValue` keeps the exact Python type. Its `PyValue` is the only argument, the list of all
/// positional arguments, a dict of the keyword arguments, or a dict with `args` and `kwargs` if the call
/// has both. A payload in JSON holds only the types that JSON has.
///
/// `Display` writes a value as Python's `repr()` does.
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

/// The Python types that are plain data. Large values are shared as in Python: a list that occurs a
/// thousand times in a pickle is stored once.
#[derive(Clone, PartialEq)]
pub(crate) enum PyKind {
    None,
    Bool(bool),
    Int(i64),
    /// An `int` that does not fit into an `i64`.
    BigInt(Arc<BigInt>),
    Float(f64),
    Str(Arc<str>),
    Bytes(Arc<[u8]>),
    List(Arc<[PyValue]>),
    Tuple(Arc<[PyValue]>),
    Set(Arc<[PyValue]>),
    FrozenSet(Arc<[PyValue]>),
    Dict(PyPairs),
    OrderedDict(PyPairs),
    DateTime(PyDateTime),
    Date(NaiveDate),
    Time(PyTime),
    /// Days, seconds of the day and microseconds of the second, as Python stores them.
    TimeDelta(i32, u32, u32),
    /// The text of the number, which keeps its digits.
    Decimal(Arc<str>),
    Uuid(Uuid),
}

/// Keys and values of a dict, in order.
pub(crate) type PyPairs = Arc<[(PyValue, PyValue)]>;

/// A `datetime.datetime`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct PyDateTime {
    pub(crate) naive: NaiveDateTime,
    pub(crate) fold: bool,
    /// Time zone in microseconds east of UTC; `None` for a naive datetime.
    pub(crate) offset: Option<i64>,
}

/// A `datetime.time`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct PyTime {
    pub(crate) time: NaiveTime,
    pub(crate) fold: bool,
    /// Time zone in microseconds east of UTC; `None` for a naive time.
    pub(crate) offset: Option<i64>,
}

impl PyValue {
    /// Python's `None`.
    pub const NONE: PyValue = PyValue(PyKind::None);

    /// Makes a `list`.
    pub fn list(items: impl IntoIterator<Item = PyValue>) -> Self {
        PyValue(PyKind::List(items.into_iter().collect()))
    }

    /// Makes a `tuple`.
    pub fn tuple(items: impl IntoIterator<Item = PyValue>) -> Self {
        PyValue(PyKind::Tuple(items.into_iter().collect()))
    }

    /// Makes a `set`. Python cannot read a set with mutable elements, such as lists.
    pub fn set(items: impl IntoIterator<Item = PyValue>) -> Self {
        PyValue(PyKind::Set(items.into_iter().collect()))
    }

    /// Makes a `dict` that keeps the order of these pairs.
    pub fn dict(pairs: impl IntoIterator<Item = (PyValue, PyValue)>) -> Self {
        PyValue(PyKind::Dict(pairs.into_iter().collect()))
    }

    /// Makes a `collections.OrderedDict`.
    pub fn ordered_dict(pairs: impl IntoIterator<Item = (PyValue, PyValue)>) -> Self {
        PyValue(PyKind::OrderedDict(pairs.into_iter().collect()))
    }

    /// Makes a `bytes`.
    pub fn bytes(bytes: &[u8]) -> Self {
        PyValue(PyKind::Bytes(bytes.into()))
    }

    /// Makes a `decimal.Decimal` from text such as `9.90`, `1E+5`, `NaN` or `-Infinity`.
    ///
    /// # Errors
    /// Fails if Python's `Decimal` does not accept the text.
    pub fn decimal(text: &str) -> Result<Self, String> {
        match is_decimal(text) {
            true => Ok(PyValue(PyKind::Decimal(text.into()))),
            false => Err(format!("{text:?} is not a decimal number")),
        }
    }

    /// Makes a `uuid.UUID` from its text, such as `67e55044-10b1-426f-9247-bb680e5fe0c8`.
    ///
    /// # Errors
    /// Fails if the text is not a UUID.
    pub fn uuid(text: &str) -> Result<Self, String> {
        let id = Uuid::parse_str(text).map_err(|error| format!("{text:?} is not a UUID: {error}"))?;
        Ok(PyValue(PyKind::Uuid(id)))
    }

    /// Makes an `int` of any size from decimal digits with an optional sign.
    ///
    /// # Errors
    /// Fails if the text holds anything else, or more than 4300 digits (Python's limit).
    pub fn integer(digits: &str) -> Result<Self, String> {
        BigInt::from_decimal(digits).map(|number| PyValue(number.into()))
    }

    /// Makes a `datetime.datetime` in UTC.
    ///
    /// # Errors
    /// Fails if the year is not one of Python's: 1 to 9999.
    pub fn datetime(moment: chrono::DateTime<chrono::Utc>) -> Result<Self, String> {
        check_year(moment.year())?;
        Ok(PyValue(PyKind::DateTime(PyDateTime { naive: moment.naive_utc(), fold: false, offset: Some(0) })))
    }

    /// Makes a `datetime.datetime` without a time zone.
    ///
    /// # Errors
    /// Fails if the year is not one of Python's: 1 to 9999.
    pub fn naive_datetime(naive: NaiveDateTime) -> Result<Self, String> {
        check_year(naive.year())?;
        Ok(PyValue(PyKind::DateTime(PyDateTime { naive, fold: false, offset: None })))
    }

    /// Makes a `datetime.date`.
    ///
    /// # Errors
    /// Fails if the year is not one of Python's: 1 to 9999.
    pub fn date(date: NaiveDate) -> Result<Self, String> {
        check_year(date.year())?;
        Ok(PyValue(PyKind::Date(date)))
    }

    /// Makes a `datetime.timedelta`, in whole microseconds; at most 999,999,999 days.
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
}

impl PyKind {
    pub(crate) fn from_i128(number: i128) -> Self {
        i64::try_from(number).map_or_else(|_| BigInt::from(number).into(), PyKind::Int)
    }

    pub(crate) fn from_u128(number: u128) -> Self {
        i64::try_from(number).map_or_else(|_| BigInt::from(number).into(), PyKind::Int)
    }
}

impl From<BigInt> for PyKind {
    /// A number that fits into an `i64` becomes an `Int`, so that equal numbers are of one kind.
    fn from(number: BigInt) -> Self {
        match number.as_i128().and_then(|number| i64::try_from(number).ok()) {
            Some(number) => PyKind::Int(number),
            None => PyKind::BigInt(Arc::new(number)),
        }
    }
}

fn check_year(year: i32) -> Result<(), String> {
    if (1..=9999).contains(&year) { Ok(()) } else { Err(format!("Python has no year {year}")) }
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
    u64 => |value: u64| PyKind::from_u128(u128::from(value));
    i128 => PyKind::from_i128;
    u128 => PyKind::from_u128;
    f64 => PyKind::Float;
    &str => |text: &str| PyKind::Str(text.into());
    String => |text: String| PyKind::Str(text.into());
    &[u8] => |bytes: &[u8]| PyKind::Bytes(bytes.into());
}
