//! Times and durations as RQ writes them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// Formats a time as `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
pub(crate) fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Parses the format of [`iso`], with 0 to 9 digits after the second.
pub(crate) fn from_iso(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    text.ends_with('Z').then(|| time.to_utc())
}

/// Time of a score in Redis; `None` if no time is that far away.
pub(crate) fn from_unix_seconds(seconds: f64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
}

/// Time to live: how long a job waits or a record is kept, in whole seconds, at most 100 years. Zero means
/// "not at all".
///
/// A `Duration` converts to it, rounded up to a whole second. As text it is a number of seconds, or numbers
/// with the units `s`, `m`, `h`, `d`, `w` or `y`, such as `1h30m`; `-1` means for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl(i64);

impl Ttl {
    /// No limit: RQ's `-1`.
    pub const FOREVER: Ttl = Ttl(-1);
    /// No time: RQ's `0`.
    pub const NONE: Ttl = Ttl(0);

    /// Makes a time to live of this many seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Ttl(seconds as i64)
    }

    /// Returns the seconds; -1 means for ever.
    pub fn as_seconds(self) -> i64 {
        self.0
    }

    pub(crate) fn from_seconds(seconds: i64) -> Option<Self> {
        (-1..=MAX_SECONDS).contains(&seconds).then_some(Ttl(seconds))
    }
}

/// Default timeout of a job, as in RQ.
pub(crate) const DEFAULT_TIMEOUT: Ttl = Ttl::seconds(180);
/// Default time that failed jobs are kept, a year as in RQ. Canceled jobs are kept as long, which RQ keeps
/// for ever.
pub(crate) const FAILURE_TTL: Ttl = Ttl::seconds(31_536_000);

/// Longest time in seconds: a hundred years. Redis counts in milliseconds, so times of any length would
/// overflow.
pub(super) const MAX_SECONDS: i64 = 100 * 365 * 86_400;
/// Longest delay, a hundred years.
pub(crate) const MAX_DELAY: Duration = Duration::from_secs(MAX_SECONDS.unsigned_abs());

/// Rounds up, so that a short delay does not become zero.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    Ttl::from(duration).as_seconds().unsigned_abs()
}

impl From<Duration> for Ttl {
    /// Rounds up to a whole second.
    fn from(duration: Duration) -> Self {
        let whole = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
        Ttl(i64::try_from(whole).unwrap_or(MAX_SECONDS).min(MAX_SECONDS))
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Ttl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-1" {
            return Ok(Ttl::FOREVER);
        }
        parse_duration(text).map(Ttl::from)
    }
}

/// Formats intervals in whole seconds as Python writes a list.
pub(crate) fn format_intervals(intervals: &[u64]) -> String {
    let texts: Vec<String> = intervals.iter().map(u64::to_string).collect();
    format!("[{}]", texts.join(", "))
}

/// Parses a duration: `90`, `1.5`, `10s`, `5m`, `2h`, `1h30m`, `2d`, `1w`, `1y`. A number without a unit is
/// seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration: give seconds, or a number with s, m, h, d, w or y");
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() || text.is_empty() {
        let number_end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (number, behind) = rest.split_at(number_end);
        let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number = number.parse::<f64>().ok().filter(|_| plain).ok_or_else(wrong)?;
        let unit = match behind.chars().next() {
            None | Some('s') => 1.0,
            Some('m') => 60.0,
            Some('h') => 3600.0,
            Some('d') => 86_400.0,
            Some('w') => 7.0 * 86_400.0,
            Some('y') => 365.0 * 86_400.0,
            _ => return Err(wrong()),
        };
        seconds += number * unit;
        rest = behind.get(1..).unwrap_or_default();
    }
    if seconds > MAX_SECONDS as f64 {
        return Err(format!("{text:?} is longer than 100 years"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::{Ttl, from_iso, iso, parse_duration};
    use std::time::Duration;

    #[test]
    fn times_are_read_as_written() {
        for text in ["2026-11-22T21:33:05.000001Z", "2026-11-22T21:33:05.120000Z"] {
            assert_eq!(iso(from_iso(text).unwrap()), text);
        }
        assert!(from_iso("2026-11-22T21:33:05Z").is_some());
        for bad in ["", "2026-11-22", "2026-11-22T21:33:05.0", "2026-11-22T21:33:05+00:00", "1795345004"] {
            assert!(from_iso(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, seconds) in
            [("90", 90.0), ("1.5", 1.5), ("10s", 10.0), ("5m", 300.0), ("2d", 172_800.0), ("1h30m", 5_400.0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for bad in ["", "s", "-1", "1e3", "10 s", "5mm", "inf", "nan", "1h 30m", "1hh", "101y", "1.2.3"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert_eq!("-1".parse(), Ok(Ttl::FOREVER));
        assert_eq!(Ttl::from(Duration::from_millis(1)), Ttl::seconds(1));
    }
}
