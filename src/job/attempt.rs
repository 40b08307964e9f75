//! What is kept of the runs that failed: the newest ten, with the job.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

#[cfg(feature = "worker")]
use super::error_line;

/// How many are kept.
#[cfg(feature = "worker")]
const KEPT: usize = 10;
/// How much of an error's line is kept of each.
#[cfg(feature = "worker")]
const SHOWN: usize = 200;

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attempt {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// The worker that ran it.
    pub worker_name: String,
    /// The line of its error that says what happened.
    pub error: String,
    /// Seconds until the next try; `None` when it was the last one.
    pub retry_in: Option<f64>,
}

/// The earlier ones and this one, as they are stored.
#[cfg(feature = "worker")]
pub(crate) fn history(earlier: &[Attempt], this: Attempt) -> Vec<u8> {
    let skipped = (earlier.len() + 1).saturating_sub(KEPT);
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
        let error = error_line(error).chars().take(SHOWN).collect();
        Attempt { started_at, ended_at, worker_name: worker_name.to_owned(), error, retry_in }
    }
}

#[cfg(all(test, feature = "worker"))]
mod tests {
    use super::{Attempt, history};
    use chrono::DateTime;

    #[test]
    fn the_newest_ten_are_kept() {
        let mut kept: Vec<Attempt> = Vec::new();
        for n in 0..25 {
            let time = DateTime::from_timestamp(n, 0).unwrap();
            let error = format!("error {n}\nand more");
            let bytes = history(&kept, Attempt::new((time, time), "w", &error, Some(1.0)));
            kept = serde_json::from_slice(&bytes).unwrap();
        }
        let errors: Vec<&str> = kept.iter().map(|attempt| attempt.error.as_str()).collect();
        assert_eq!((errors.len(), errors[0], errors[9]), (10, "error 15", "error 24"));
    }
}
