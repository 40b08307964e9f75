//! How often, and after what delays, a job that failed is tried again.

use std::time::Duration;

#[cfg(feature = "worker")]
pub use steer::{GiveUp, Later};

use super::times::{MAX_DELAY, whole_seconds};

const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(3600);
const MOST: u32 = 100;

/// A job's own policy of retries; without one a job that fails is not tried again.
///
/// Stored as RQ stores it: `retries_left` and a list of intervals in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    max: u32,
    intervals: Vec<u64>,
    /// Up to so many per cent more or less.
    jitter: u8,
    at_front: bool,
    /// Whether nobody has chosen the delays.
    is_usual: bool,
}

impl Retry {
    /// At most `max` retries (1 to 100) after the usual delays: those of [`growing`](Self::growing), and in RQ's dialect
    /// none, as in RQ, because a Python worker without a scheduler serves no others.
    pub fn times(max: u32) -> Self {
        Retry { is_usual: true, ..Self::growing(max) }
    }

    /// At most `max` retries (1 to 100): 10 s after the first failure, then doubling up to an
    /// hour, each ±10 % so that jobs which failed together do not come back together.
    pub fn growing(max: u32) -> Self {
        Self::growing_between(FIRST, LONGEST, max)
    }

    /// The same with another first and longest delay, in whole seconds (the first one at least 1 s).
    pub fn growing_between(first: Duration, longest: Duration, max: u32) -> Self {
        let (first, longest) = (first.as_secs().max(1), longest.as_secs().max(1));
        let doubled = |n: u32| first.saturating_mul(2_u64.saturating_pow(n)).min(longest);
        let max = max.clamp(1, MOST);
        Retry {
            max,
            intervals: (0..max).map(doubled).collect(),
            jitter: 10,
            at_front: false,
            is_usual: false,
        }
    }

    /// Each delay is up to so many per cent (at most 100) shorter or longer. Default: 10 of growing delays, else 0.
    pub fn jitter(mut self, percent: u8) -> Self {
        self.jitter = percent.min(100);
        self
    }

    /// At most `max` retries (1 to 100), each after the same delay in whole seconds (rounded up; zero: at once).
    pub fn every(delay: Duration, max: u32) -> Self {
        Self::list([delay], max)
    }

    /// At most `max` retries (1 to 100) after the given delays in whole seconds (rounded up). With fewer
    /// delays than retries the first one repeats, which is RQ's rule.
    pub fn list(delays: impl IntoIterator<Item = Duration>, max: u32) -> Self {
        Retry {
            max: max.clamp(1, MOST),
            intervals: delays.into_iter().take(MOST as usize).map(whole_seconds).collect(),
            jitter: 0,
            at_front: false,
            is_usual: false,
        }
    }

    /// Retries go before the jobs that wait instead of behind them.
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

    /// The intervals of a job that any worker may run, RQ's too. `rng` gives numbers from 0 to 1.
    pub(crate) fn intervals_in(&self, is_rq: bool, rng: impl FnMut() -> f64) -> Vec<u64> {
        if is_rq && self.is_usual { vec![0] } else { self.intervals(rng) }
    }

    /// The intervals to store. `rng` gives numbers from 0 to 1.
    pub(crate) fn intervals(&self, mut rng: impl FnMut() -> f64) -> Vec<u64> {
        let spread = |seconds: &u64| {
            let jitter = f64::from(self.jitter) / 100.0;
            let factor = if self.jitter > 0 { 1.0 - jitter + 2.0 * jitter * rng() } else { 1.0 };
            (*seconds as f64 * factor).round() as u64
        };
        let intervals: Vec<u64> = self.intervals.iter().map(spread).collect();
        // Python's workers end at an empty list.
        if intervals.is_empty() { vec![0] } else { intervals }
    }
}

/// 10 s, 20 s, 40 s … one hour, for the retry after `retries` earlier ones.
pub(crate) fn growing_delay(retries: u32) -> Duration {
    (FIRST * 2_u32.pow(retries.min(9))).min(LONGEST)
}

#[cfg(feature = "worker")]
mod steer {
    use std::fmt;
    use std::time::Duration;

    use super::{MAX_DELAY, Retry};

    /// An error that asks for another try after a delay of the handler's choice.
    /// Made by [`Retry::later`].
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Later {
        pub(crate) delay: Duration,
        pub(crate) is_counted: bool,
    }

    impl Later {
        /// It was no failure, only too early: nothing is counted, and no retries are used up. The handler itself
        /// has to see to it that this does not go on for ever; between two calls is at least a second.
        pub fn uncounted(mut self) -> Self {
            self.is_counted = false;
            self
        }
    }

    impl Retry {
        /// Returned from a handler as an error: try this job again after `delay`.
        ///
        /// Counts as one of the job's retries; a job without a policy may ask five times.
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

    /// An error that ends the job at once, whatever retries it has left.
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
