//! Errors by which a handler decides about retries itself.

use std::fmt;
use std::time::Duration;

use super::retry::Retry;
use super::times::MAX_DELAY;

/// An error that asks for a retry after a delay of the handler's choice. [`Retry::later`] makes it.
///
/// The worker finds it anywhere in the chain of an `anyhow` error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later {
    pub(crate) delay: Duration,
    pub(crate) is_counted: bool,
}

impl Later {
    /// Makes the retry uncounted (a snooze): the run is not a failure, and uses up no retry.
    ///
    /// At least one second passes between two runs. Nothing else limits their number, so the handler must.
    pub fn uncounted(mut self) -> Self {
        self.is_counted = false;
        self
    }
}

impl Retry {
    /// Makes an error by which a handler asks to retry its job after `delay` (at most 100 years).
    ///
    /// The retry counts as one of the job's. The handler of a job without a retry policy may ask five
    /// times.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use anyhow::Context as _;
    /// # use rq_rs::{Context, Retry};
    /// fn fetch_rates(_: &Context, city: String) -> anyhow::Result<()> {
    ///     // "connection refused" stays in the error's chain.
    ///     std::net::TcpStream::connect("127.0.0.1:1").context(Retry::later(Duration::from_secs(60)))?;
    ///     Ok(())
    /// }
    /// ```
    pub fn later(delay: Duration) -> Later {
        Later { delay: delay.min(MAX_DELAY), is_counted: true }
    }
}

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "asked to be tried again in {} s", self.delay.as_secs_f64())
    }
}

impl std::error::Error for Later {}

/// An error by which a handler fails its job for good, whatever retries are left. The text is the reason.
///
/// The worker finds it anywhere in the chain of an `anyhow` error.
///
/// ```
/// # use rq_rs::{Context, GiveUp};
/// fn charge(_: &Context, card: String) -> anyhow::Result<()> {
///     Err(GiveUp("the card was reported stolen".into()).into())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveUp(pub String);

impl fmt::Display for GiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GiveUp {}
