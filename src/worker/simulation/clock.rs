//! Virtual time: microseconds since the begin of a schedule.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::worker::engine::Now;

/// Microseconds since the begin of a schedule.
pub(super) type Micros = u64;

pub(super) const MILLISECOND: Micros = 1000;
pub(super) const SECOND: Micros = 1_000_000;

/// Longest time after which an unreachable Redis leads to an error.
pub(super) const MAX_TIME_OF_ERROR: Micros = 1500 * MILLISECOND;

/// The begin of all schedules by the clock of Redis, in microseconds since 1970.
const EPOCH_MICROS: i64 = 1_800_000_000_000_000;

static BASE: OnceLock<Instant> = OnceLock::new();

fn base() -> Instant {
    *BASE.get_or_init(Instant::now)
}

/// A moment as the engine gets it.
pub(super) fn now_at(time: Micros) -> Now {
    Now { instant: base() + Duration::from_micros(time), utc: utc_at(time) }
}

pub(super) fn utc_at(time: Micros) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(redis_micros(time)).unwrap_or_default()
}

/// A moment by the clock of Redis, in microseconds since 1970.
pub(super) fn redis_micros(time: Micros) -> i64 {
    EPOCH_MICROS + time as i64
}

/// The moment of an instant, rounded up.
pub(super) fn micros_of(instant: Instant) -> Micros {
    instant.saturating_duration_since(base()).as_nanos().div_ceil(1000) as Micros
}

pub(super) fn micros(duration: Duration) -> Micros {
    duration.as_micros() as Micros
}
