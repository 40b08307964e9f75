//! Idle connections, kept for the next call: as many as were in use at once lately, up to a limit.
//! No I/O happens under the lock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::Connection;

/// More idle connections than this are never kept.
const MOST: usize = 64;
/// "Lately" is one to two of these.
const PERIOD: Duration = Duration::from_secs(10);

/// An open connection.
pub(super) struct Live {
    pub(super) connection: Connection,
    /// How long it waits for an answer, as it is set now.
    pub(super) answer: Duration,
    /// When it was last known to work.
    pub(super) used_at: Instant,
}

struct State {
    /// The last one was used last.
    idle: Vec<Live>,
    in_use: usize,
    /// The most that were in use at once, in this period and in the one before.
    peak: usize,
    peak_before: usize,
    period_began: Instant,
}

impl State {
    /// How many connections, idle and in use, are worth keeping.
    fn worthwhile(&mut self) -> usize {
        let age = self.period_began.elapsed();
        if age >= PERIOD {
            self.peak_before = if age < 2 * PERIOD { self.peak } else { self.in_use };
            self.peak = self.in_use;
            self.period_began = Instant::now();
        }
        self.peak.max(self.peak_before).min(MOST)
    }
}

pub(super) struct Pool(Mutex<State>);

impl Pool {
    pub(super) fn new() -> Self {
        let (idle, period_began) = (Vec::new(), Instant::now());
        Pool(Mutex::new(State { idle, in_use: 0, peak: 0, peak_before: 0, period_began }))
    }

    /// The connection that was used last, if one is idle. The caller opens one if there is none.
    pub(super) fn borrow(&self) -> Borrowed<'_> {
        let mut state = self.lock();
        state.worthwhile();
        state.in_use += 1;
        state.peak = state.peak.max(state.in_use);
        let live = state.idle.pop();
        drop(state);
        Borrowed { pool: self, live, is_over: false }
    }

    /// Closes all idle connections.
    pub(super) fn clear(&self) {
        let idle = std::mem::take(&mut self.lock().idle);
        drop(idle);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those in use. Its connection is closed with it, unless it is kept.
pub(super) struct Borrowed<'a> {
    pool: &'a Pool,
    pub(super) live: Option<Live>,
    /// It is not counted any more.
    is_over: bool,
}

impl Borrowed<'_> {
    /// The connection works: the next call may have it. Those that were used least lately are closed when there
    /// are more than there is use for.
    pub(super) fn keep(mut self, mut live: Live) {
        live.used_at = Instant::now();
        let mut state = self.pool.lock();
        state.in_use -= 1;
        self.is_over = true;
        let most = state.worthwhile().saturating_sub(state.in_use);
        state.idle.push(live);
        let excess = state.idle.len().saturating_sub(most);
        let closed: Vec<Live> = state.idle.drain(..excess).collect();
        drop(state);
        drop(closed);
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.pool.lock().in_use -= 1;
        }
    }
}
