//! Parsers for option values. A value out of bounds is refused, never replaced by another one.

use std::time::Duration;

use crate::job::{MAX_DATA_BYTES, parse_duration};

/// Returns a parser for durations that refuses those shorter than `min`.
pub(crate) fn at_least(min: &'static str) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync {
    move |text| {
        let duration = parse_duration(text)?;
        if duration < parse_duration(min)? {
            return Err(format!("{text:?} is too short: at least {min}"));
        }
        Ok(duration)
    }
}

/// Parses the time limit of a job.
pub(crate) fn parse_timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err(format!("{text:?} is too short: a job needs time to run")),
        timeout => Ok(timeout),
    }
}

/// Parses a number from 1 on.
pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text:?} is not a number from 1"))
}

/// Parses the number of rows of a list.
pub(crate) fn parse_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("0 would show nothing: give a number from 1 on".to_owned()),
        Ok(limit) => Ok(limit),
        Err(_) => Err(format!("{text:?} is not a number")),
    }
}

/// Parses the maximum number of retries.
pub(crate) fn parse_retry_max(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|max| *max <= 100)
        .ok_or_else(|| format!("{text:?} is not a number from 0 to 100"))
}

/// Parses the environment's value for a flag.
pub(crate) fn parse_switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "y" | "yes" | "t" | "true" | "on" => Ok(true),
        "" | "0" | "n" | "no" | "f" | "false" | "off" => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no: 1, yes, true, on, or 0, no, false, off")),
    }
}

/// Parses the maximum size of a result, in bytes.
pub(crate) fn parse_max_result(text: &str) -> Result<u64, String> {
    let max = MAX_DATA_BYTES as u64;
    match parse_size(text)? {
        size if size > max => Err(format!("{text:?} is too large: at most {}M", max >> 20)),
        size => Ok(size),
    }
}

/// Parses a size in bytes, such as `1000`, `64K`, `512M` or `2G`, with units of 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[number.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => Some(1),
        "K" | "KB" | "KIB" => Some(1 << 10),
        "M" | "MB" | "MIB" => Some(1 << 20),
        "G" | "GB" | "GIB" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit.zip(number.parse::<u64>().ok()).and_then(|(unit, number)| number.checked_mul(unit));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("{text:?} is not a size: give bytes, or a whole number with K, M or G"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{at_least, parse_size, parse_timeout};

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("1000", 1000), ("64K", 65_536), ("512M", 512 << 20), ("2gb", 2 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "M", "-1", "1.5G", "0", "5 M", "1T", "99999999999G"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_below_the_minimum_are_refused() {
        assert_eq!(at_least("1s")("1"), Ok(Duration::from_secs(1)));
        assert!(at_least("1s")("0.9").is_err() && at_least("30s")("1").is_err());
        assert!(parse_timeout("0s").is_err() && parse_timeout("0.5").is_ok());
    }
}
