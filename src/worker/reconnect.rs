//! How long to wait while Redis is away, and when to give up.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether a look, a `PING` and one write that no setting of memory refuses, would meet this error too. If not, it
/// would end each delay for nothing.
fn is_seen_by_a_look(error: &Error) -> bool {
    let codes =
        ["READONLY", "MASTERDOWN", "LOADING", "BUSY", "MISCONF", "NOREPLICAS", "CLUSTERDOWN", "ERR max"];
    match error {
        Error::Unreachable { .. } => true,
        Error::Refused { reason } => codes.iter().any(|code| reason.starts_with(code)),
        Error::Denied { reason } => !reason.starts_with("NOPERM"),
        _ => false,
    }
}

/// Counts failed tries in a row.
pub(crate) struct ReconnectBackoff {
    max_tries: u32,
    tries: u32,
    until: Option<Instant>,
    look_at: Option<Instant>,
}

impl ReconnectBackoff {
    /// Zero tries means for ever.
    pub(crate) fn new(max_tries: u32) -> Self {
        ReconnectBackoff { max_tries, tries: 0, until: None, look_at: None }
    }

    /// Another try has failed. Returns the delay before the next one: growing, with full jitter,
    /// so that workers which lost Redis together do not all come back at one moment.
    pub(crate) fn goes_on(&mut self, error: &Error) -> Result<Duration> {
        self.tries = self.tries.saturating_add(1);
        if self.max_tries > 0 && self.tries > self.max_tries {
            return Err(self.given_up(error));
        }
        let ceiling = (FIRST * 2_u32.pow(self.tries.min(9))).min(LONGEST);
        let delay = ceiling.mul_f64(fastrand::f64()).max(FIRST / 2);
        self.until = Some(Instant::now() + delay);
        self.look_at = None;
        if is_seen_by_a_look(error) {
            self.look_later();
        }
        Ok(delay)
    }

    /// No more tries.
    pub(crate) fn given_up(&self, error: &Error) -> Error {
        Error::BrokerLost { tries: self.tries.max(1), last: error.to_string() }
    }

    /// Whether to have a look before the delay is over. Looks are cheap and do not count as tries:
    /// they end a long delay soon after Redis is back.
    pub(crate) fn wants_a_look(&self) -> bool {
        !self.is_over() && self.look_at.is_some_and(|at| at <= Instant::now())
    }

    pub(crate) fn look_later(&mut self) {
        self.look_at = Some(Instant::now() + LOOK_EVERY.mul_f64(0.5 + fastrand::f64()));
    }

    /// A look has found Redis there.
    pub(crate) fn cut_short(&mut self) {
        self.until = None;
    }

    pub(crate) fn is_going_on(&self) -> bool {
        self.tries > 0
    }

    /// A try has succeeded; says whether that ended an outage.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.until = None;
        std::mem::take(&mut self.tries) > 0
    }

    /// Whether it is time for a try.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }

    /// When there is something to do again.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until.map(|until| self.look_at.map_or(until, |at| at.min(until)))
    }
}
