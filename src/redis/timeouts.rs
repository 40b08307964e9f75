//! Time limits of calls to Redis.

use std::time::Duration;

/// Time limits of a client's calls, and the number of attempts when the connection breaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// Limit for opening a connection.
    pub(crate) connect: Duration,
    /// Limit for one reply, beyond the time that the command blocks.
    pub(crate) reply: Duration,
    /// Number of attempts for a command that is safe to repeat.
    pub(crate) attempts: u32,
    /// Limit for a whole call, all attempts included.
    pub(crate) total: Duration,
}

/// Total limit of a call in a program that sets none.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

impl Timeouts {
    /// Timeouts of a program that waits for the call. Two attempts fit into the limit even when the server is silent,
    /// because a pooled connection may have died unnoticed while it was idle.
    pub(crate) fn within(limit: Duration) -> Self {
        let limit = limit.clamp(Duration::from_millis(10), Duration::from_secs(3600));
        let half = limit / 2;
        Timeouts {
            connect: half.min(Duration::from_secs(5)),
            reply: half.min(Duration::from_secs(10)),
            attempts: 3,
            total: limit,
        }
    }

    /// Timeouts of a worker: giving up can cost a job's result, so it waits long.
    #[cfg(feature = "worker")]
    pub(crate) const WORKER: Self = Timeouts {
        connect: Duration::from_secs(5),
        reply: Duration::from_secs(10),
        attempts: 3,
        total: Duration::from_secs(45),
    };

    /// Timeouts of interactive reads (dashboard, top): fail fast, the caller polls again.
    #[cfg(any(feature = "dashboard", feature = "top"))]
    pub(crate) const UI: Self = Timeouts {
        connect: Duration::from_secs(2),
        reply: Duration::from_secs(3),
        attempts: 1,
        total: Duration::from_secs(4),
    };
}
