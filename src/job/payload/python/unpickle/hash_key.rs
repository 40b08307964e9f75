//! What makes two keys of a dict, or two items of a set, equal in Python.

use std::sync::Arc;

use chrono::{NaiveDate, Timelike};
use uuid::Uuid;

use super::super::{BigInt, PyKind};
use super::Index;

/// Decimals of more digits than this are not compared with whole numbers: it would take long.
const COMPARED: usize = 400;

/// Parts are named by their number, so none is compared twice.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum HashKey {
    None,
    Int(i128),
    Large(Vec<u8>),
    Float(u64),
    /// Equal to nothing but the same object.
    NotANumber(Index),
    Str(Arc<str>),
    Bytes(Arc<[u8]>),
    /// Whether it is negative, its digits without zeros around them, and their exponent.
    Decimal(bool, String, i64),
    /// Microseconds of UTC, or of no zone.
    PyDateTime(i64, bool),
    Time(i64, bool),
    Date(NaiveDate),
    TimeDelta(i32, u32, u32),
    Uuid(Uuid),
    Tuple(Vec<u32>),
    FrozenSet(Vec<u32>),
}

impl HashKey {
    /// Of what holds nothing else.
    pub(super) fn of(kind: &PyKind, index: Index) -> Result<Self, String> {
        Ok(match kind {
            PyKind::None => HashKey::None,
            PyKind::Bool(flag) => HashKey::Int(i128::from(*flag)),
            PyKind::Int(number) => HashKey::Int(i128::from(*number)),
            PyKind::BigInt(number) => HashKey::of_integer(number),
            PyKind::Float(number) => HashKey::of_float(*number, index)?,
            PyKind::Str(text) => HashKey::Str(text.clone()),
            PyKind::Bytes(bytes) => HashKey::Bytes(bytes.clone()),
            PyKind::Decimal(text) => HashKey::of_decimal(text, index)?,
            PyKind::DateTime(moment) => {
                let micros = moment.naive.and_utc().timestamp_micros();
                HashKey::PyDateTime(micros - moment.offset.unwrap_or(0), moment.offset.is_some())
            }
            PyKind::Time(clock) => {
                let seconds = i64::from(clock.time.num_seconds_from_midnight());
                let micros = seconds * 1_000_000 + i64::from(clock.time.nanosecond() / 1000);
                HashKey::Time(micros - clock.offset.unwrap_or(0), clock.offset.is_some())
            }
            PyKind::Date(date) => HashKey::Date(*date),
            PyKind::TimeDelta(days, seconds, micros) => HashKey::TimeDelta(*days, *seconds, *micros),
            PyKind::Uuid(uuid) => HashKey::Uuid(*uuid),
            // Tuples and frozen sets have their number already.
            PyKind::List(_) | PyKind::Tuple(_) => return Err(unhashable("list")),
            PyKind::Set(_) | PyKind::FrozenSet(_) => return Err(unhashable("set")),
            PyKind::Dict(_) | PyKind::OrderedDict(_) => return Err(unhashable("dictionary")),
        })
    }

    fn of_integer(number: &BigInt) -> Self {
        number.as_i128().map_or_else(|| HashKey::Large(number.to_le_bytes()), HashKey::Int)
    }

    /// A whole float equals the whole number.
    fn of_float(number: f64, index: Index) -> Result<Self, String> {
        Ok(match number {
            _ if number.is_nan() => HashKey::NotANumber(index),
            _ if number.fract() != 0.0 || number.is_infinite() => HashKey::Float(number.to_bits()),
            _ if number.abs() < 2f64.powi(126) => HashKey::Int(number as i128),
            _ => HashKey::of_integer(&BigInt::from_decimal(&format!("{number:.0}"))?),
        })
    }

    /// Whatever its digits, a decimal equals what has its value.
    fn of_decimal(text: &str, index: Index) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let (is_negative, lower) = match lower.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, lower.strip_prefix('+').unwrap_or(&lower)),
        };
        match lower.as_bytes().first() {
            Some(b'n') => return Ok(HashKey::NotANumber(index)),
            // Python has no hash for what is to be an error wherever it is used.
            Some(b's') => return Err(unhashable("signaling NaN")),
            Some(b'i') => {
                let infinity = if is_negative { f64::NEG_INFINITY } else { f64::INFINITY };
                return Ok(HashKey::Float(infinity.to_bits()));
            }
            _ => {}
        }
        let (number, exponent) = lower.split_once('e').unwrap_or((lower, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mut exponent = exponent.parse::<i64>().unwrap_or_default() - fraction.len() as i64;
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_end_matches('0');
        exponent += (digits.len() - significant.len()) as i64;
        let significant = significant.trim_start_matches('0');
        if significant.is_empty() {
            return Ok(HashKey::Int(0));
        }
        let as_number = whole_number(is_negative, significant, exponent)
            .or_else(|| binary_fraction(is_negative, significant, exponent));
        Ok(as_number.unwrap_or_else(|| HashKey::Decimal(is_negative, significant.to_owned(), exponent)))
    }
}

fn whole_number(is_negative: bool, digits: &str, exponent: i64) -> Option<HashKey> {
    let zeros = usize::try_from(exponent).ok().filter(|zeros| digits.len() + zeros <= COMPARED)?;
    let sign = if is_negative { "-" } else { "" };
    BigInt::from_decimal(&format!("{sign}{digits}{}", "0".repeat(zeros)))
        .ok()
        .as_ref()
        .map(HashKey::of_integer)
}

/// Of the fractions only those of a power of two can be a float's.
fn binary_fraction(is_negative: bool, digits: &str, exponent: i64) -> Option<HashKey> {
    let places = u32::try_from(-exponent).ok().filter(|places| *places <= 50)?;
    let (digits, fives) = (digits.parse::<u128>().ok()?, 5_u128.pow(places));
    let number = (digits / fives) as f64 / 2f64.powi(places as i32);
    let is_float = digits.is_multiple_of(fives) && digits / fives < 1 << 53;
    is_float.then(|| HashKey::Float(if is_negative { -number } else { number }.to_bits()))
}

fn unhashable(name: &str) -> String {
    format!("the payload has a {name} as a key or in a set")
}
