//! Retry policies.

use std::time::Duration;

use super::times::whole_seconds;

/// First delay of the default policy.
const FIRST_DELAY: Duration = Duration::from_secs(10);
/// Longest delay of the default policy.
const LONGEST_DELAY: Duration = Duration::from_secs(3600);
/// Largest number of retries.
const MAX_RETRIES: u32 = 100;

/// Retry policy of a job: how often, and after which delays, it runs again after a failure. RQ's `Retry`.
///
/// A job without a policy uses its worker's, which has no retries by default. The record holds the policy
/// as RQ's does: `retries_left` and a list of intervals in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    max: u32,
    intervals: Vec<u64>,
    /// Largest random change of a delay in per cent.
    jitter: u8,
    at_front: bool,
    /// `true` if the delays are the default ones.
    has_default_delays: bool,
}

impl Retry {
    /// Allows `max` retries (1 to 100) after the default delays: those of [`growing`](Self::growing). In
    /// RQ's dialect retries have no delay by default, as in RQ, because a Python worker without a scheduler
    /// never runs delayed ones.
    pub fn times(max: u32) -> Self {
        Retry { has_default_delays: true, ..Self::growing(max) }
    }

    /// Allows `max` retries (1 to 100): the first after 10 s, then after twice the delay each, up to one
    /// hour. Each delay varies by ±10 %, so that jobs that failed together are not retried together.
    pub fn growing(max: u32) -> Self {
        Self::growing_between(FIRST_DELAY, LONGEST_DELAY, max)
    }

    /// Allows `max` retries (1 to 100) after growing delays: from `first` (at least 1 s) doubling up to
    /// `longest`, in whole seconds, each ±10 %.
    pub fn growing_between(first: Duration, longest: Duration, max: u32) -> Self {
        let (first, longest) = (first.as_secs().max(1), longest.as_secs().max(1));
        let doubled = |n: u32| first.saturating_mul(2_u64.saturating_pow(n)).min(longest);
        let max = max.clamp(1, MAX_RETRIES);
        Retry {
            max,
            intervals: (0..max).map(doubled).collect(),
            jitter: 10,
            at_front: false,
            has_default_delays: false,
        }
    }

    /// Sets the jitter: each delay is up to `percent` (at most 100) shorter or longer. Default: 10 for
    /// growing delays, 0 for all others.
    pub fn jitter(mut self, percent: u8) -> Self {
        self.jitter = percent.min(100);
        self
    }

    /// Allows `max` retries (1 to 100), each after the same delay. The delay is rounded up to whole
    /// seconds; zero means at once.
    pub fn every(delay: Duration, max: u32) -> Self {
        Self::list([delay], max)
    }

    /// Allows `max` retries (1 to 100) after the given delays in whole seconds (rounded up, at most 100 of
    /// them). With fewer delays than retries the first delay is repeated, which is RQ's rule.
    pub fn list(delays: impl IntoIterator<Item = Duration>, max: u32) -> Self {
        Retry {
            max: max.clamp(1, MAX_RETRIES),
            intervals: delays.into_iter().take(MAX_RETRIES as usize).map(whole_seconds).collect(),
            jitter: 0,
            at_front: false,
            has_default_delays: false,
        }
    }

    /// Puts retries at the front of the queue instead of the end. RQ's `enqueue_at_front_on_retry`.
    pub fn at_front(mut self) -> Self {
        self.at_front = true;
        self
    }

    pub(crate) fn is_at_front(&self) -> bool {
        self.at_front
    }

    pub(crate) fn max(&self) -> u32 {
        self.max
    }

    /// Returns the intervals of a job that RQ's workers may run too. `rng` returns numbers from 0 to 1.
    pub(crate) fn intervals_in(&self, is_rq: bool, rng: impl FnMut() -> f64) -> Vec<u64> {
        if is_rq && self.has_default_delays { vec![0] } else { self.intervals(rng) }
    }

    /// Returns the intervals to store, with jitter. `rng` returns numbers from 0 to 1.
    pub(crate) fn intervals(&self, mut rng: impl FnMut() -> f64) -> Vec<u64> {
        let spread = |seconds: &u64| {
            let jitter = f64::from(self.jitter) / 100.0;
            let factor = if self.jitter > 0 { 1.0 - jitter + 2.0 * jitter * rng() } else { 1.0 };
            (*seconds as f64 * factor).round() as u64
        };
        let intervals: Vec<u64> = self.intervals.iter().map(spread).collect();
        // Python's workers crash at an empty list.
        if intervals.is_empty() { vec![0] } else { intervals }
    }
}

/// Returns the delay before the next retry, after this many retries: 10 s, 20 s, 40 s … one hour.
pub(crate) fn growing_delay(retries: u32) -> Duration {
    (FIRST_DELAY * 2_u32.pow(retries.min(9))).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::{Retry, growing_delay};
    use std::time::Duration;

    #[test]
    fn growing_delays_start_at_ten_seconds_and_end_at_an_hour() {
        let seconds: Vec<u64> = (0..11).map(|n| growing_delay(n).as_secs()).collect();
        assert_eq!(seconds, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
        assert_eq!(Retry::growing(3).intervals(|| 0.0), [9, 18, 36]);
        assert_eq!(Retry::growing(3).intervals(|| 1.0), [11, 22, 44]);
        assert_eq!(Retry::every(Duration::from_secs(5), 3).intervals(|| 0.0), [5]);
        let own = |first, longest| {
            let seconds = Duration::from_secs;
            Retry::growing_between(seconds(first), seconds(longest), 4).jitter(0).intervals(|| 0.9)
        };
        assert_eq!(own(1, 5), [1, 2, 4, 5]);
        assert_eq!(own(0, u64::MAX), [1, 2, 4, 8]);
        assert_eq!(Retry::times(2).intervals_in(false, || 0.5), [10, 20]);
        assert_eq!(Retry::times(2).intervals_in(true, || 0.5), [0]);
        assert_eq!(Retry::growing(2).intervals_in(true, || 0.5), [10, 20]);
        assert_eq!(Retry::growing(1).jitter(50).intervals(|| 0.0), [5]);
        assert_eq!(Retry::growing(100).jitter(200).intervals(|| 1.0)[99], 7200);
    }
}
