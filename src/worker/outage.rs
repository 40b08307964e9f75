//! How long to wait while Redis is away, and when to give up.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Counts failed tries in a row.
pub(crate) struct Outage {
    max_tries: u32,
    tries: u32,
    until: Option<Instant>,
}

impl Outage {
    /// Zero tries means for ever.
    pub(crate) fn new(max_tries: u32) -> Self {
        Outage { max_tries, tries: 0, until: None }
    }

    /// Another try has failed. Returns the delay before the next one: growing, with full jitter,
    /// so that workers which lost Redis together do not all come back at one moment.
    pub(crate) fn goes_on(&mut self, error: &Error) -> Result<Duration> {
        self.tries = self.tries.saturating_add(1);
        if self.max_tries > 0 && self.tries > self.max_tries {
            return Err(Error::BrokerLost { tries: self.tries, last: error.to_string() });
        }
        let ceiling = (FIRST * 2_u32.pow(self.tries.min(9))).min(LONGEST);
        let delay = ceiling.mul_f64(fastrand::f64()).max(FIRST / 2);
        self.until = Some(Instant::now() + delay);
        Ok(delay)
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

    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }
}
