//! The retry policy of `--retry-max` and `--retry-interval`, on the command line or in the file.

use std::time::Duration;

use super::exit::Failure;
use crate::job::Retry;

/// Builds a retry policy. No retries and no intervals are no policy; intervals without retries are an error.
pub(crate) fn retry_policy(max: u32, intervals: &[Duration]) -> Result<Option<Retry>, Failure> {
    match (max, intervals) {
        (0, []) => Ok(None),
        (0, _) => Err(Failure::Usage(
            "--retry-interval without --retry-max".into(),
            "say how often with --retry-max N".into(),
        )),
        (max, []) => Ok(Some(Retry::times(max))),
        (max, intervals) => Ok(Some(Retry::list(intervals.iter().copied(), max))),
    }
}
