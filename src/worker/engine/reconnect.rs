//! Backoff: delays between attempts to use Redis while it is unavailable, and their limit.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::error::{Error, Result};

const MIN_DELAY: Duration = Duration::from_millis(100);
const MAX_DELAY: Duration = Duration::from_secs(30);
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Returns `true` if a probe would also fail with this error. A probe is `PING` and a write that is allowed when Redis is
/// out of memory. With other errors the probe would succeed at once and end each delay too early.
fn is_visible_to_probe(error: &Error) -> bool {
    let codes =
        ["READONLY", "MASTERDOWN", "LOADING", "BUSY", "MISCONF", "NOREPLICAS", "CLUSTERDOWN", "ERR max"];
    match error {
        Error::Unreachable { .. } => true,
        Error::Refused { reason } => codes.iter().any(|code| reason.starts_with(code)),
        Error::Denied { reason } => !reason.starts_with("NOPERM"),
        _ => false,
    }
}

/// Exponential backoff with jitter over failed attempts in a row.
pub(super) struct ReconnectBackoff {
    max_attempts: u32,
    failed_attempts: u32,
    delay_ends_at: Option<Instant>,
    probe_at: Option<Instant>,
}

impl ReconnectBackoff {
    /// `max_attempts` 0 means no limit.
    pub(super) fn new(max_attempts: u32) -> Self {
        ReconnectBackoff { max_attempts, failed_attempts: 0, delay_ends_at: None, probe_at: None }
    }

    /// Records a failed attempt and returns the delay before the next one. Delays grow, with full jitter, so that
    /// workers which lost Redis together do not come back at the same moment.
    ///
    /// # Errors
    /// [`Error::BrokerLost`] when no attempt is left.
    pub(super) fn record_failure(&mut self, error: &Error, now: Instant, rng: &mut Rng) -> Result<Duration> {
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        if self.max_attempts > 0 && self.failed_attempts > self.max_attempts {
            return Err(self.broker_lost(error));
        }
        let ceiling = (MIN_DELAY * 2_u32.pow(self.failed_attempts.min(9))).min(MAX_DELAY);
        let delay = ceiling.mul_f64(rng.f64()).max(MIN_DELAY / 2);
        self.delay_ends_at = Some(now + delay);
        self.probe_at = None;
        if is_visible_to_probe(error) {
            self.schedule_probe(now, rng);
        }
        Ok(delay)
    }

    /// Records a successful attempt and returns whether it ended an outage.
    pub(super) fn record_success(&mut self) -> bool {
        self.delay_ends_at = None;
        std::mem::take(&mut self.failed_attempts) > 0
    }

    /// Returns the error of a worker that gives up.
    pub(super) fn broker_lost(&self, error: &Error) -> Error {
        Error::BrokerLost { tries: self.failed_attempts.max(1), last: error.to_string() }
    }

    /// Returns `true` if Redis should be probed before the delay is over. Probes are cheap and do not count as
    /// attempts; a successful one ends a long delay soon after Redis is back.
    pub(super) fn should_probe(&self, now: Instant) -> bool {
        !self.may_attempt(now) && self.probe_at.is_some_and(|at| at <= now)
    }

    pub(super) fn schedule_probe(&mut self, now: Instant, rng: &mut Rng) {
        self.probe_at = Some(now + PROBE_INTERVAL.mul_f64(0.5 + rng.f64()));
    }

    /// Allows the next attempt now.
    pub(super) fn reset_delay(&mut self) {
        self.delay_ends_at = None;
    }

    /// Returns `true` if the last attempt failed.
    pub(super) fn is_in_outage(&self) -> bool {
        self.failed_attempts > 0
    }

    /// Returns `true` if there is no delay, or it is over.
    pub(super) fn may_attempt(&self, now: Instant) -> bool {
        self.delay_ends_at.is_none_or(|at| at <= now)
    }

    /// The moment of the next attempt or probe; `None` without a delay.
    pub(super) fn next_action_at(&self) -> Option<Instant> {
        self.delay_ends_at.map(|end| self.probe_at.map_or(end, |probe| probe.min(end)))
    }
}
