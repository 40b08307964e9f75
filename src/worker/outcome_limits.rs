//! The limits of a run, the size of its result and its timeout, and their error texts.

use std::time::Duration;

use super::context::Context;
use crate::job::{Outcome, RetryDirective};

/// Fails a job whose result is larger than `limit` bytes.
pub(crate) fn enforce_result_limit(handler: &str, outcome: Outcome, limit: usize) -> Outcome {
    match outcome {
        Outcome::Returned(result) if result.len() > limit => {
            let size = result.len();
            let error = format!("the result of {handler} is {size} bytes, over the limit of {limit}");
            Outcome::Failed { error, directive: RetryDirective::GiveUp }
        }
        outcome => outcome,
    }
}

/// Replaces the outcome of a function that returned after its deadline. (The deadline of a process is
/// enforced by its supervisor.)
pub(crate) fn enforce_deadline(handler: &str, context: &Context, outcome: Outcome) -> Outcome {
    match (context.timeout(), context.time_left()) {
        (Some(allowed), Some(left)) if left.is_zero() => {
            Outcome::TimedOut { error: timeout_message(handler, allowed) }
        }
        _ => outcome,
    }
}

/// The error of a job in a thread that has exceeded its timeout.
pub(crate) fn timeout_message(handler: &str, allowed: Duration) -> String {
    let seconds = rounded_secs(allowed);
    format!("{handler} timed out after {seconds} s; its thread was told to stop but may still run")
}

/// Seconds, rounded to milliseconds.
pub(crate) fn rounded_secs(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
