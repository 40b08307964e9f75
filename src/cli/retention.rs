//! The values of `--keep-finished` and `--keep-failed`.

use std::str::FromStr;

use crate::job::Ttl;

/// A maximum number of jobs, a time to keep them, or both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RetentionArg {
    /// Number of jobs of each queue; without it there is no maximum.
    pub(crate) count: Option<u64>,
    /// Time for jobs without one of their own; without it the worker's default counts.
    pub(crate) ttl: Option<Ttl>,
}

impl FromStr for RetentionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, ttl) = text.split_once('/').map_or((text, None), |(count, ttl)| (count, Some(ttl)));
        let number =
            |text: &str| text.parse().map_err(|_| format!("{text:?} is not a number of jobs; as in 1000/1h"));
        let count = if count.is_empty() && ttl.is_some() { None } else { Some(number(count)?) };
        Ok(RetentionArg { count, ttl: ttl.map(str::parse).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::{RetentionArg, Ttl};

    #[test]
    fn a_retention_is_a_number_a_time_or_both() {
        let hour = Some(Ttl::seconds(3600));
        for (text, count, ttl) in [("10", Some(10), None), ("0/1h", Some(0), hour), ("/1h", None, hour)] {
            assert_eq!(text.parse(), Ok(RetentionArg { count, ttl }), "{text}");
        }
        assert_eq!("5/-1".parse(), Ok(RetentionArg { count: Some(5), ttl: Some(Ttl::FOREVER) }));
        for bad in ["", "/", "-1", "1h", "5/", "5/soon", "1/2/3"] {
            assert!(bad.parse::<RetentionArg>().is_err(), "{bad}");
        }
    }
}
