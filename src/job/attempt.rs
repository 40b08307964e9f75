//! The failed runs of a job. Its record keeps the newest ten.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

#[cfg(feature = "worker")]
use super::error_line::error_line;

/// Number of failed runs that a record keeps.
#[cfg(feature = "worker")]
const MAX_ATTEMPTS: usize = 10;
/// Number of characters of the error line that are kept.
#[cfg(feature = "worker")]
const MAX_ERROR_CHARS: usize = 200;

/// A run of a job that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attempt {
    /// Time at which the run began.
    pub started_at: DateTime<Utc>,
    /// Time at which the run ended.
    pub ended_at: DateTime<Utc>,
    /// Name of the worker that ran the job.
    pub worker_name: String,
    /// The line of the error that says what happened, at most 200 characters.
    pub error: String,
    /// Seconds from the end of this run to the next one; `None` if no retry followed.
    pub retry_in: Option<f64>,
}

/// Encodes the earlier failed runs and this one as the field `attempts`.
#[cfg(feature = "worker")]
pub(crate) fn encode_attempts(earlier: &[Attempt], this: Attempt) -> Vec<u8> {
    let skipped = (earlier.len() + 1).saturating_sub(MAX_ATTEMPTS);
    let all: Vec<&Attempt> = earlier.iter().skip(skipped).chain([&this]).collect();
    serde_json::to_vec(&all).unwrap_or_default()
}

#[cfg(feature = "worker")]
impl Attempt {
    pub(crate) fn new(
        (started_at, ended_at): (DateTime<Utc>, DateTime<Utc>),
        worker_name: &str,
        error: &str,
        retry_in: Option<f64>,
    ) -> Self {
        let error = error_line(error).chars().take(MAX_ERROR_CHARS).collect();
        Attempt { started_at, ended_at, worker_name: worker_name.to_owned(), error, retry_in }
    }
}

#[cfg(feature = "worker")]
#[cfg(test)]
mod tests {
    use super::{Attempt, encode_attempts};
    use chrono::DateTime;

    #[test]
    fn the_newest_ten_attempts_are_kept() {
        let mut kept: Vec<Attempt> = Vec::new();
        for n in 0..25 {
            let time = DateTime::from_timestamp(n, 0).unwrap();
            let error = format!("error {n}\nand more");
            let bytes = encode_attempts(&kept, Attempt::new((time, time), "w", &error, Some(1.0)));
            kept = serde_json::from_slice(&bytes).unwrap();
        }
        let errors: Vec<&str> = kept.iter().map(|attempt| attempt.error.as_str()).collect();
        assert_eq!((errors.len(), errors[0], errors[9]), (10, "error 15", "error 24"));
    }
}
