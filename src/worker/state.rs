//! The state of a worker as other threads see it: written by the driver, saved in Redis by the heartbeat.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;

use super::event::Event;
use super::memory;
use crate::job::iso;
use crate::stats::{RunCounters, RunResult};

/// A lease that the heartbeat renews.
pub(super) struct TrackedLease {
    /// Index of the queue.
    pub(super) queue: usize,
    /// The cancel flag of the run. It is set when the lease is lost.
    cancel_flag: Arc<AtomicBool>,
}

/// Times of the last heartbeats that succeeded and failed.
struct HeartbeatTimes {
    last_success: Instant,
    last_failure: Option<Instant>,
}

/// The values of the worker's record whose change is saved without waiting for the next heartbeat.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Fingerprint {
    state: &'static str,
    successful: u64,
    failed: u64,
    abandoned_threads: usize,
}

/// Counters, leases and state of a worker.
pub(crate) struct WorkerState {
    leases: Mutex<HashMap<String, TrackedLease>>,
    state: Mutex<&'static str>,
    successful: AtomicU64,
    failed: AtomicU64,
    working_micros: AtomicU64,
    /// Number of jobs of lost workers that this worker has recovered.
    recovered: AtomicU64,
    /// Number of completions that were fenced.
    stale: AtomicU64,
    /// Number of outages that have ended.
    reconnects: AtomicU64,
    abandoned_threads: AtomicUsize,
    is_quiet: AtomicBool,
    stats: Mutex<RunCounters>,
    last_fetch: Mutex<Option<String>>,
    shutdown_requested: Mutex<Option<String>>,
    heartbeats: Mutex<HeartbeatTimes>,
    static_fields: Vec<(&'static str, String)>,
}

impl WorkerState {
    /// The state of a new worker. `static_fields` are the fields of its record that do not change.
    pub(super) fn new(static_fields: Vec<(&'static str, String)>) -> Self {
        WorkerState {
            leases: Mutex::default(),
            state: Mutex::new("started"),
            successful: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            working_micros: AtomicU64::new(0),
            recovered: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            abandoned_threads: AtomicUsize::new(0),
            is_quiet: AtomicBool::new(false),
            stats: Mutex::default(),
            last_fetch: Mutex::default(),
            shutdown_requested: Mutex::default(),
            heartbeats: Mutex::new(HeartbeatTimes { last_success: Instant::now(), last_failure: None }),
            static_fields,
        }
    }

    /// Lets the heartbeat renew a lease from now on. `cancel_flag` is set when the lease is lost.
    pub(crate) fn track_lease(&self, member: String, queue: usize, cancel_flag: &Arc<AtomicBool>) {
        lock(&self.leases).insert(member, TrackedLease { queue, cancel_flag: Arc::clone(cancel_flag) });
    }

    /// Ends the renewal of a lease.
    pub(crate) fn untrack_lease(&self, member: &str) {
        lock(&self.leases).remove(member);
    }

    /// The tracked leases, by their member in the registry of started jobs.
    pub(super) fn leases(&self) -> MutexGuard<'_, HashMap<String, TrackedLease>> {
        lock(&self.leases)
    }

    /// Marks a lease as lost. Returns whether it is still tracked: its run may have ended meanwhile.
    pub(super) fn mark_lease_lost(&self, member: &str) -> bool {
        let leases = lock(&self.leases);
        let lease = leases.get(member);
        if let Some(lease) = lease {
            lease.cancel_flag.store(true, Ordering::Relaxed);
        }
        lease.is_some()
    }

    /// Sets RQ's worker state: `started`, `busy`, `idle` or `suspended`.
    pub(crate) fn set_state(&self, state: &'static str) {
        *lock(&self.state) = state;
    }

    /// Counts a run whose completion Redis has confirmed.
    pub(crate) fn record_run(&self, result: RunResult, took: Duration, queue: usize, handler: Option<&str>) {
        let minute = Utc::now().timestamp() / 60;
        let counter = if matches!(result, RunResult::Finished) { &self.successful } else { &self.failed };
        lock(&self.stats).record((queue, handler.unwrap_or_default()), result, took, minute);
        counter.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.working_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Records what events say of the worker: counts of recovered jobs, fenced completions and ended outages, whether
    /// it is quiet, and whether it was told to stop while jobs run.
    pub(crate) fn record_event(&self, event: &Event) {
        let increment = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match event {
            Event::Recovered { .. } => increment(&self.recovered),
            Event::Stale { .. } => increment(&self.stale),
            Event::Back => increment(&self.reconnects),
            Event::Quieted => self.is_quiet.store(true, Ordering::Relaxed),
            Event::GoesOn => self.is_quiet.store(false, Ordering::Relaxed),
            Event::Stopping { .. } => *lock(&self.shutdown_requested) = Some(iso(Utc::now())),
            _ => {}
        }
    }

    /// Sets the number of threads that still run after the end of their jobs.
    pub(crate) fn set_abandoned_threads(&self, threads: usize) {
        self.abandoned_threads.store(threads, Ordering::Relaxed);
    }

    /// Records the time of an iteration of the driver without trouble.
    pub(crate) fn mark_healthy(&self) {
        *lock(&self.last_fetch) = Some(iso(Utc::now()));
    }

    /// Returns whether the last successful heartbeat is at most this old.
    pub(crate) fn has_fresh_heartbeat(&self, max_age: Duration) -> bool {
        lock(&self.heartbeats).last_success.elapsed() <= max_age
    }

    /// Returns whether a heartbeat has failed within this time. Other workers may have missed theirs too.
    pub(crate) fn has_failed_heartbeat_within(&self, time: Duration) -> bool {
        lock(&self.heartbeats).last_failure.is_some_and(|at| at.elapsed() < time)
    }

    pub(super) fn record_heartbeat(&self, is_success: bool) {
        let mut heartbeats = lock(&self.heartbeats);
        match is_success {
            true => heartbeats.last_success = Instant::now(),
            false => heartbeats.last_failure = Some(Instant::now()),
        }
    }

    /// Removes and returns the statistics that are not in Redis yet.
    pub(super) fn take_stats(&self) -> RunCounters {
        std::mem::take(&mut *lock(&self.stats))
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            state: *lock(&self.state),
            successful: self.successful.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            abandoned_threads: self.abandoned_threads.load(Ordering::Relaxed),
        }
    }

    /// The fields of the worker's record in Redis.
    pub(super) fn record_fields(&self) -> Vec<(&'static str, String)> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed).to_string();
        let mut fields = self.static_fields.clone();
        let seconds = self.working_micros.load(Ordering::Relaxed) as f64 / 1e6;
        fields.push(("last_heartbeat", iso(Utc::now())));
        fields.push(("state", lock(&self.state).to_string()));
        fields.extend(lock(&self.last_fetch).clone().map(|time| ("last_fetch", time)));
        fields.extend(lock(&self.shutdown_requested).clone().map(|time| ("shutdown_requested_date", time)));
        fields.push(("successful_job_count", count(&self.successful)));
        fields.push(("failed_job_count", count(&self.failed)));
        fields.push(("total_working_time", seconds.to_string()));
        fields.push(("recovered_count", count(&self.recovered)));
        fields.push(("stale_count", count(&self.stale)));
        fields.push(("reconnect_count", count(&self.reconnects)));
        fields.push(("stuck_threads", self.abandoned_threads.load(Ordering::Relaxed).to_string()));
        fields.push(("quiet", u8::from(self.is_quiet.load(Ordering::Relaxed)).to_string()));
        fields.extend(memory::resident().map(|bytes| ("memory", bytes.to_string())));
        fields
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
