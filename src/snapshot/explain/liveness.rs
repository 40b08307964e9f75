//! Judges by the last heartbeat whether a worker is alive.

use chrono::{DateTime, Utc};

use crate::job::from_iso;
use crate::snapshot::workers::WorkerView;

/// Seconds within which an idle worker sends a heartbeat.
const IDLE_SILENCE: i64 = 30;
/// Seconds within which a worker that runs a job sends a heartbeat, unless its lease is a long one.
pub(super) const BUSY_SILENCE: i64 = 15;

/// Seconds since the last heartbeat.
pub(super) fn silence(worker: &WorkerView, now: DateTime<Utc>) -> Option<i64> {
    worker.last_heartbeat.as_deref().and_then(from_iso).map(|heartbeat| (now - heartbeat).num_seconds())
}

/// Returns whether the last heartbeat is recent enough for an idle worker. The record of a worker that hangs may stay
/// for minutes.
pub(super) fn is_recent(worker: &WorkerView, now: DateTime<Utc>) -> bool {
    silence(worker, now).is_some_and(|silence| silence < IDLE_SILENCE)
}

/// Returns whether a worker may be alive. Python's workers are silent for minutes while they are idle.
pub(super) fn may_be_alive(worker: &WorkerView, now: DateTime<Utc>) -> bool {
    worker.runs_in.is_none() || is_recent(worker, now)
}

/// Seconds within which this worker sends a heartbeat while it runs a job: it renews leases three times in their
/// length.
pub(super) fn max_busy_silence(worker: &WorkerView) -> i64 {
    worker.lease.map_or(BUSY_SILENCE, |lease| BUSY_SILENCE.max(lease / 3 + 5))
}
