//! Limit on open connections: a few dozen at a time. The connection that has been idle longest, or does not read its
//! response, is closed for the next one, so that many slow clients do not keep a quick one out.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Open connections, not counting [`MAX_EXTRA`].
const MAX_CONNECTIONS: usize = 64;
/// Connections above the limit, for liveness probes and for refusals.
const MAX_EXTRA: usize = 16;
/// Threads of open and of closed connections: one of a closed connection may live up to 500 ms longer, for the delay
/// after a wrong password.
const MAX_THREADS: usize = 2 * MAX_CONNECTIONS;

/// All connections that have a thread; clones share one table.
#[derive(Clone, Default)]
pub(super) struct ConnectionLimiter(Arc<Mutex<ConnectionTable>>);

#[derive(Default)]
struct ConnectionTable {
    open: HashMap<u64, Entry>,
    /// The id of the next connection. No id is given twice, so that the thread of a closed connection cannot remove
    /// another one.
    next_id: u64,
    /// Threads, also those of connections that were closed here and have not ended yet.
    threads: usize,
}

struct Entry {
    stream: TcpStream,
    peer: IpAddr,
    activity: Activity,
}

/// Side that a connection waits for, and since when.
#[derive(Clone, Copy)]
enum Activity {
    /// The client: a request, the rest of one, or the end of the connection.
    Receiving(Instant),
    /// The server.
    Busy,
    /// The client, which has to read the response.
    Sending(Instant),
    /// The server, which delays the response to a wrong password.
    Refused(Instant),
}

impl Entry {
    /// Returns when the connection became idle; `None` while the server works on a request, or when bytes have arrived
    /// or can be sent. The delay after a wrong password counts as idle.
    fn idle_since(&self) -> Option<Instant> {
        let (our_turn, since) = match self.activity {
            Activity::Busy => return None,
            Activity::Refused(since) => return Some(since),
            Activity::Receiving(since) => (PollFlags::POLLIN, since),
            Activity::Sending(since) => (PollFlags::POLLOUT, since),
        };
        let mut fds = [PollFd::new(self.stream.as_fd(), our_turn)];
        (poll(&mut fds, PollTimeout::ZERO) == Ok(0)).then_some(since)
    }
}

/// Priority of a connection that asks for a permit.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Priority {
    Page,
    /// A page whose client has waited so long that a refusal serves it better than more waiting.
    Refusal,
    /// A liveness probe.
    Probe,
}

impl Priority {
    fn max_connections(self) -> usize {
        match self {
            Priority::Page => MAX_CONNECTIONS,
            Priority::Refusal => MAX_CONNECTIONS + MAX_EXTRA / 2,
            Priority::Probe => MAX_CONNECTIONS + MAX_EXTRA,
        }
    }

    fn max_threads(self) -> usize {
        if self == Priority::Page { MAX_THREADS } else { MAX_THREADS + MAX_EXTRA }
    }
}

/// Entry of one connection in the table, for the thread that serves it.
pub(super) struct ConnectionPermit {
    pub(super) id: u64,
    /// `true` if the limit was reached: only `/livez` is answered then.
    pub(super) is_over_limit: bool,
    limiter: ConnectionLimiter,
}

impl ConnectionPermit {
    /// The client has to send something, since then.
    pub(super) fn mark_receiving(&self, since: Instant) {
        self.set(Activity::Receiving(since));
    }

    /// The server works on a request.
    pub(super) fn mark_busy(&self) {
        self.set(Activity::Busy);
    }

    /// The client has to read the response, since then.
    pub(super) fn mark_sending(&self, since: Instant) {
        self.set(Activity::Sending(since));
    }

    /// The response to a wrong password is being delayed.
    pub(super) fn mark_refused(&self) {
        self.set(Activity::Refused(Instant::now()));
    }

    fn set(&self, activity: Activity) {
        if let Some(entry) = self.limiter.lock().open.get_mut(&self.id) {
            entry.activity = activity;
        }
    }

    /// A second handle on the same entry.
    pub(super) fn share(&self) -> ConnectionPermit {
        ConnectionPermit { id: self.id, is_over_limit: self.is_over_limit, limiter: self.limiter.clone() }
    }
}

impl ConnectionLimiter {
    fn lock(&self) -> MutexGuard<'_, ConnectionTable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a permit for a connection that has sent something. While the limit is reached and no idle connection
    /// can be closed, only a probe or a refusal gets one, which is marked `is_over_limit`; else `None`.
    pub(super) fn try_acquire(
        &self,
        stream: &TcpStream,
        peer: IpAddr,
        priority: Priority,
    ) -> Option<ConnectionPermit> {
        let mut table = self.lock();
        if table.threads >= priority.max_threads() {
            return None;
        }
        if table.open.len() >= MAX_CONNECTIONS {
            table.close_longest_idle();
        }
        // If the limit is still reached, all connections are being answered, most likely by a Redis that hangs. The
        // permits above the limit are for probes, and for telling clients to try again.
        let is_over_limit = table.open.len() >= MAX_CONNECTIONS || table.threads >= MAX_THREADS;
        if table.open.len() >= priority.max_connections() {
            return None;
        }
        let id = table.insert(stream.try_clone().ok()?, peer);
        Some(ConnectionPermit { id, is_over_limit, limiter: self.clone() })
    }

    /// Removes a connection whose thread has ended.
    pub(super) fn release(&self, id: u64) {
        let mut table = self.lock();
        table.open.remove(&id);
        table.threads -= 1;
    }

    /// Closes all connections that are not being answered.
    pub(super) fn close_idle(&self) {
        for entry in self.lock().open.values().filter(|entry| !matches!(entry.activity, Activity::Busy)) {
            let _ = entry.stream.shutdown(Shutdown::Both);
        }
    }
}

impl ConnectionTable {
    fn insert(&mut self, stream: TcpStream, peer: IpAddr) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.threads += 1;
        self.open.insert(id, Entry { stream, peer, activity: Activity::Busy });
        id
    }

    fn close_longest_idle(&mut self) {
        let idle = self.open.iter().filter_map(|(id, entry)| Some((*id, entry.peer, entry.idle_since()?)));
        if let Some(entry) = longest_idle(idle).and_then(|id| self.open.remove(&id)) {
            // The connection's thread sees this and ends.
            let _ = entry.stream.shutdown(Shutdown::Both);
        }
    }
}

/// Picks the connection that has been idle longest, among those of the address that has the most of them.
pub(super) fn longest_idle<K>(idle: impl Iterator<Item = (K, IpAddr, Instant)>) -> Option<K> {
    let idle: Vec<_> = idle.collect();
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for (_, peer, _) in &idle {
        *counts.entry(*peer).or_default() += 1;
    }
    let longest = idle.into_iter().min_by_key(|(_, peer, since)| (usize::MAX - counts[peer], *since));
    longest.map(|(key, ..)| key)
}
