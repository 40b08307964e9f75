//! Pool of idle connections. It keeps as many as were in use at once lately, up to a limit.
//! No I/O happens under the lock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::Connection;

/// Limit of the connections that are kept, idle and in use.
const MAX_KEPT: usize = 64;
/// "Lately" means the current period and the one before.
const PERIOD: Duration = Duration::from_secs(10);

/// An open connection.
pub(super) struct OpenConnection {
    pub(super) connection: Connection,
    /// Time limit for a reply that is set on the socket.
    pub(super) reply_timeout: Duration,
    /// Time at which the connection last worked.
    pub(super) used_at: Instant,
}

struct PoolConnections {
    /// Ordered by last use, the latest at the end.
    idle: Vec<OpenConnection>,
    in_use: usize,
    /// Largest number in use at once, in this period and in the one before.
    peak: usize,
    previous_peak: usize,
    period_start: Instant,
}

impl PoolConnections {
    /// Starts a new period if the current one is over, and returns how many connections, idle and in use, to keep.
    fn update_capacity(&mut self) -> usize {
        let age = self.period_start.elapsed();
        if age >= PERIOD {
            self.previous_peak = if age < 2 * PERIOD { self.peak } else { self.in_use };
            self.peak = self.in_use;
            self.period_start = Instant::now();
        }
        self.peak.max(self.previous_peak).min(MAX_KEPT)
    }
}

pub(super) struct Pool(Mutex<PoolConnections>);

impl Pool {
    pub(super) fn new() -> Self {
        let (idle, period_start) = (Vec::new(), Instant::now());
        Pool(Mutex::new(PoolConnections { idle, in_use: 0, peak: 0, previous_peak: 0, period_start }))
    }

    /// Takes a permit, with the connection that was used last if one is idle. The caller opens one if there is none.
    pub(super) fn acquire(&self) -> PoolPermit<'_> {
        let mut state = self.lock();
        state.update_capacity();
        state.in_use += 1;
        state.peak = state.peak.max(state.in_use);
        let idle = state.idle.pop();
        drop(state);
        PoolPermit { pool: self, idle, is_released: false }
    }

    /// Closes all idle connections.
    pub(super) fn clear(&self) {
        let idle = std::mem::take(&mut self.lock().idle);
        drop(idle);
    }

    fn lock(&self) -> MutexGuard<'_, PoolConnections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to use one connection, counted by the pool until it is dropped.
pub(super) struct PoolPermit<'a> {
    pool: &'a Pool,
    /// The idle connection that came with the permit.
    pub(super) idle: Option<OpenConnection>,
    is_released: bool,
}

impl PoolPermit<'_> {
    /// Gives up the permit and keeps the connection, which works, for the next call. Surplus connections are closed,
    /// those unused for longest first.
    pub(super) fn return_to_pool(mut self, mut connection: OpenConnection) {
        connection.used_at = Instant::now();
        let mut state = self.pool.lock();
        state.in_use -= 1;
        self.is_released = true;
        let capacity = state.update_capacity().saturating_sub(state.in_use);
        state.idle.push(connection);
        let surplus = state.idle.len().saturating_sub(capacity);
        let closed: Vec<OpenConnection> = state.idle.drain(..surplus).collect();
        drop(state);
        drop(closed);
    }
}

impl Drop for PoolPermit<'_> {
    fn drop(&mut self) {
        if !self.is_released {
            self.pool.lock().in_use -= 1;
        }
    }
}
