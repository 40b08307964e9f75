//! How long a call waits for Redis.

use std::time::Duration;

/// How long connecting, any answer to a command that does not block, and a whole call may take; and how often a
/// call that may be repeated is tried when the connection breaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    pub(crate) answer: Duration,
    pub(crate) tries: u32,
    pub(crate) whole: Duration,
}

/// What a call of a program may take, tries included, unless the program says otherwise.
pub(crate) const USUAL_LIMIT: Duration = Duration::from_secs(10);

impl Patience {
    /// For a program that waits for the call: two tries fit into the limit even when the server is silent, because
    /// a connection may have died in silence while it was idle.
    pub(crate) fn within(limit: Duration) -> Self {
        let limit = limit.clamp(Duration::from_millis(10), Duration::from_secs(3600));
        let half = limit / 2;
        Patience {
            connect: half.min(Duration::from_secs(5)),
            answer: half.min(Duration::from_secs(10)),
            tries: 3,
            whole: limit,
        }
    }

    /// For a worker: what is lost by giving up is worth waiting for.
    #[cfg(feature = "worker")]
    pub(crate) const WORK: Self = Patience {
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(10),
        tries: 3,
        whole: Duration::from_secs(45),
    };

    /// For people who look: they ask again.
    #[cfg(any(feature = "dashboard", feature = "top"))]
    pub(crate) const LOOK: Self = Patience {
        connect: Duration::from_secs(2),
        answer: Duration::from_secs(3),
        tries: 1,
        whole: Duration::from_secs(4),
    };
}
