//! The outcome of a run, from which the verdict follows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::truncate::truncate_error;

/// The end of a run, as the worker observed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// The handler returned this value, encoded by the job's serializer.
    Returned(#[serde(with = "in_base64")] Vec<u8>),
    /// The handler returned an error; the directive is its request about the next run.
    Failed { error: String, directive: RetryDirective },
    /// The timeout passed.
    TimedOut { error: String },
    /// The handler panicked, its process died or was killed by command, or a Python worker was lost with the job.
    Crashed { error: String },
    /// The process was ended from outside: by a person, or by a service manager that stops the whole service.
    KilledFromOutside { error: String },
    /// The worker stopped the run before its end, or skipped it: the worker terminates, or the lease is lost.
    Interrupted,
    /// The job was claimed, but its run has not begun: no slot or process was free, its handler was at its limit, or
    /// the reply to the claim was lost.
    NotBegun,
    /// The worker was lost: the lease has expired.
    Lost { error: String },
    /// The run was stopped by command.
    Stopped { error: String },
    /// The record cannot be read, the arguments do not fit the handler, or the job asks for a feature that rq-rs lacks.
    NotRunnable { error: String },
    /// The worker has no handler of that name.
    NoHandler { error: String },
}

impl Outcome {
    /// Shortens the error text to the length that is stored.
    pub(crate) fn with_truncated_error(mut self) -> Self {
        match &mut self {
            Outcome::Failed { error, .. }
            | Outcome::TimedOut { error }
            | Outcome::Crashed { error }
            | Outcome::NotRunnable { error }
            | Outcome::NoHandler { error } => *error = truncate_error(error),
            _ => {}
        }
        self
    }
}

/// Encodes bytes as base64, in the JSON between a work horse and its worker.
mod in_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Request of a failed handler about the next run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum RetryDirective {
    /// Nothing: the retry policy of the job decides.
    UsePolicy,
    /// A retry after this delay; without one, after the policy's delay or a growing one.
    RetryAfter(Option<Duration>),
    /// Another run after this delay, which is not counted as a retry.
    Snooze(Duration),
    /// No retry.
    GiveUp,
}
