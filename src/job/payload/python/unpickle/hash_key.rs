//! Equality of keys of a dict and of items of a set, as Python defines it.

use std::sync::Arc;

use chrono::{NaiveDate, Timelike};
use uuid::Uuid;

use super::super::integer::BigInt;
use super::super::value::PyKind;
use super::node::NodeIndex;

/// Decimals of more digits are not compared with integers, which would take too long.
const MAX_COMPARED_DIGITS: usize = 400;

/// A value by which equal keys are found. Tuples and frozensets list the numbers of their items, so that no
/// item is compared twice.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum HashKey {
    None,
    Int(i128),
    /// Two's complement of an integer that does not fit into an `i128`.
    BigInt(Vec<u8>),
    /// Bits of a float that is not an integer.
    Float(u64),
    /// NaN, which equals only the same object.
    NaN(NodeIndex),
    Str(Arc<str>),
    Bytes(Arc<[u8]>),
    /// A sign (`true` for negative), the digits without zeros around them, and their exponent.
    Decimal(bool, String, i64),
    /// Microseconds since 1970, and whether they are of UTC or of no time zone.
    DateTime(i64, bool),
    /// Microseconds since midnight, and whether they are of UTC or of no time zone.
    Time(i64, bool),
    Date(NaiveDate),
    TimeDelta(i32, u32, u32),
    Uuid(Uuid),
    Tuple(Vec<u32>),
    FrozenSet(Vec<u32>),
}

impl HashKey {
    /// Returns the key of a value that is no container.
    pub(super) fn from_leaf(kind: &PyKind, index: NodeIndex) -> Result<Self, String> {
        Ok(match kind {
            PyKind::None => HashKey::None,
            PyKind::Bool(flag) => HashKey::Int(i128::from(*flag)),
            PyKind::Int(number) => HashKey::Int(i128::from(*number)),
            PyKind::BigInt(number) => HashKey::from_integer(number),
            PyKind::Float(number) => HashKey::from_float(*number, index)?,
            PyKind::Str(text) => HashKey::Str(text.clone()),
            PyKind::Bytes(bytes) => HashKey::Bytes(bytes.clone()),
            PyKind::Decimal(text) => HashKey::from_decimal(text, index)?,
            PyKind::DateTime(moment) => {
                let micros = moment.naive.and_utc().timestamp_micros();
                HashKey::DateTime(micros - moment.offset.unwrap_or(0), moment.offset.is_some())
            }
            PyKind::Time(clock) => {
                let seconds = i64::from(clock.time.num_seconds_from_midnight());
                let micros = seconds * 1_000_000 + i64::from(clock.time.nanosecond() / 1000);
                HashKey::Time(micros - clock.offset.unwrap_or(0), clock.offset.is_some())
            }
            PyKind::Date(date) => HashKey::Date(*date),
            PyKind::TimeDelta(days, seconds, micros) => HashKey::TimeDelta(*days, *seconds, *micros),
            PyKind::Uuid(uuid) => HashKey::Uuid(*uuid),
            // The caller makes the keys of tuples and frozensets.
            PyKind::List(_) | PyKind::Tuple(_) => return Err(unhashable("list")),
            PyKind::Set(_) | PyKind::FrozenSet(_) => return Err(unhashable("set")),
            PyKind::Dict(_) | PyKind::OrderedDict(_) => return Err(unhashable("dictionary")),
        })
    }

    fn from_integer(number: &BigInt) -> Self {
        number.as_i128().map_or_else(|| HashKey::BigInt(number.to_le_bytes()), HashKey::Int)
    }

    /// A float without a fraction equals the integer.
    fn from_float(number: f64, index: NodeIndex) -> Result<Self, String> {
        Ok(match number {
            _ if number.is_nan() => HashKey::NaN(index),
            _ if number.fract() != 0.0 || number.is_infinite() => HashKey::Float(number.to_bits()),
            _ if number.abs() < 2f64.powi(126) => HashKey::Int(number as i128),
            _ => HashKey::from_integer(&BigInt::from_decimal(&format!("{number:.0}"))?),
        })
    }

    /// A decimal equals every number of the same value, whatever its digits.
    fn from_decimal(text: &str, index: NodeIndex) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let (is_negative, lower) = match lower.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, lower.strip_prefix('+').unwrap_or(&lower)),
        };
        match lower.as_bytes().first() {
            Some(b'n') => Ok(HashKey::NaN(index)),
            // Python refuses to hash a signaling NaN, because any use of it is an error.
            Some(b's') => Err(unhashable("signaling NaN")),
            Some(b'i') => {
                let infinity = if is_negative { f64::NEG_INFINITY } else { f64::INFINITY };
                Ok(HashKey::Float(infinity.to_bits()))
            }
            _ => Ok(HashKey::from_finite_decimal(is_negative, lower)),
        }
    }

    fn from_finite_decimal(is_negative: bool, text: &str) -> Self {
        let (number, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mut exponent = exponent.parse::<i64>().unwrap_or_default() - fraction.len() as i64;
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_end_matches('0');
        exponent += (digits.len() - significant.len()) as i64;
        let significant = significant.trim_start_matches('0');
        if significant.is_empty() {
            return HashKey::Int(0);
        }
        let as_number = as_integer(is_negative, significant, exponent)
            .or_else(|| as_float(is_negative, significant, exponent));
        as_number.unwrap_or_else(|| HashKey::Decimal(is_negative, significant.to_owned(), exponent))
    }
}

fn as_integer(is_negative: bool, digits: &str, exponent: i64) -> Option<HashKey> {
    let zeros = usize::try_from(exponent).ok().filter(|zeros| digits.len() + zeros <= MAX_COMPARED_DIGITS)?;
    let sign = if is_negative { "-" } else { "" };
    BigInt::from_decimal(&format!("{sign}{digits}{}", "0".repeat(zeros)))
        .ok()
        .as_ref()
        .map(HashKey::from_integer)
}

/// A fraction equals a float only if its denominator is a power of two.
fn as_float(is_negative: bool, digits: &str, exponent: i64) -> Option<HashKey> {
    let places = u32::try_from(-exponent).ok().filter(|places| *places <= 50)?;
    let (digits, fives) = (digits.parse::<u128>().ok()?, 5_u128.pow(places));
    let number = (digits / fives) as f64 / 2f64.powi(places as i32);
    let is_float = digits.is_multiple_of(fives) && digits / fives < 1 << 53;
    is_float.then(|| HashKey::Float(if is_negative { -number } else { number }.to_bits()))
}

fn unhashable(name: &str) -> String {
    format!("the payload has a {name} as a key or in a set")
}
