//! Text of the Python types that other formats do not have: ISO 8601 for times, digits for numbers.

use chrono::{NaiveTime, Timelike};

use super::value::{PyKind, PyValue};

impl PyValue {
    /// Returns the total seconds of a `timedelta`.
    pub(crate) fn seconds(&self) -> Option<f64> {
        match self.0 {
            PyKind::TimeDelta(days, seconds, micros) => {
                Some(f64::from(days) * 86_400.0 + f64::from(seconds) + f64::from(micros) / 1e6)
            }
            _ => None,
        }
    }

    /// Returns the text that stands for the value in a format without its type; `None` for types that every
    /// format has, and for containers.
    pub(crate) fn text(&self) -> Option<String> {
        Some(match &self.0 {
            PyKind::Str(text) | PyKind::Decimal(text) => text.to_string(),
            PyKind::Uuid(id) => id.to_string(),
            PyKind::Date(date) => date.to_string(),
            PyKind::DateTime(moment) => {
                let (date, time) = (moment.naive.date(), moment.naive.time());
                format!("{date}T{}{}", iso_time(time), iso_offset(moment.offset))
            }
            PyKind::Time(time) => format!("{}{}", iso_time(time.time), iso_offset(time.offset)),
            _ => return None,
        })
    }
}

/// `21:33:05`, or `21:33:05.000001` if there is a fraction of a second.
fn iso_time(time: NaiveTime) -> String {
    let form = if time.nanosecond() == 0 { "%H:%M:%S" } else { "%H:%M:%S%.6f" };
    time.format(form).to_string()
}

/// `+01:00`, as Python's `isoformat` writes it; empty for a naive time.
fn iso_offset(offset: Option<i64>) -> String {
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
