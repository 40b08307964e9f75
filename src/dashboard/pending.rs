//! Connections that have no thread yet: the client has not sent anything, or no permit is free. A client that is slow
//! to send its request takes no thread from others. Liveness probes go first.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::connections::{Priority, longest_idle};

const MAX_PENDING: usize = 256;
const PENDING_TIMEOUT: Duration = Duration::from_secs(5);
/// Time in which a silent connection is not closed for another one, however many arrive.
const SILENCE_GRACE: Duration = Duration::from_millis(500);
/// Wait for a permit after which the client is told to try again.
const REFUSE_AFTER: Duration = Duration::from_secs(1);
/// Longest wait of [`PendingConnections::wait`] while connections may time out.
const TIMEOUT_CHECK_INTERVAL_MS: u16 = 1000;

pub(super) struct PendingConnection {
    pub(super) stream: TcpStream,
    pub(super) peer: IpAddr,
    since: Instant,
    has_request: bool,
    is_probe: bool,
}

impl PendingConnection {
    pub(super) fn priority(&self) -> Priority {
        match self.is_probe {
            true => Priority::Probe,
            false if self.since.elapsed() < REFUSE_AFTER => Priority::Page,
            false => Priority::Refusal,
        }
    }

    /// Handles that the client has sent something or has closed the connection.
    fn on_readable(&mut self, probe_path: &str) {
        if std::mem::replace(&mut self.has_request, true) {
            return;
        }
        let mut head = [0; 512];
        let n = self.stream.peek(&mut head).unwrap_or(0);
        let path = head[..n].split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        self.is_probe = path == b"/livez" || path == probe_path.as_bytes();
    }

    /// Returns whether the client had time to send something, and has sent nothing.
    fn is_silent(&self) -> bool {
        !self.has_request && self.since.elapsed() >= SILENCE_GRACE && !is_readable(&self.stream)
    }
}

fn is_readable(stream: &TcpStream) -> bool {
    poll(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) != Ok(0)
}

pub(super) struct PendingConnections {
    /// The connections in order of arrival.
    connections: Vec<PendingConnection>,
    /// Path of the liveness probe below the URL prefix.
    probe_path: String,
}

impl PendingConnections {
    pub(super) fn new(url_prefix: &str) -> Self {
        PendingConnections { connections: Vec::new(), probe_path: format!("{url_prefix}/livez") }
    }

    /// Waits for a new connection or for bytes on a pending one. Returns whether there is a new connection.
    pub(super) fn wait(&mut self, listener: &TcpListener) -> bool {
        self.connections.retain(|connection| connection.since.elapsed() < PENDING_TIMEOUT);
        let timeout = match self.connections.is_empty() {
            true => PollTimeout::NONE,
            false => PollTimeout::from(TIMEOUT_CHECK_INTERVAL_MS),
        };
        let streams = self.connections.iter().map(|connection| connection.stream.as_fd());
        let fds = streams.chain([listener.as_fd()]).map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let mut fds: Vec<_> = fds.collect();
        if poll(&mut fds, timeout).is_err() {
            return false;
        }
        let readable: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        for (connection, is_readable) in self.connections.iter_mut().zip(&readable) {
            if *is_readable {
                connection.on_readable(&self.probe_path);
            }
        }
        readable.last() == Some(&true)
    }

    pub(super) fn push(&mut self, stream: TcpStream, peer: IpAddr) {
        let since = Instant::now();
        let connection = PendingConnection { stream, peer, since, has_request: false, is_probe: false };
        self.connections.push(connection);
    }

    /// Makes space for one more connection, by closing a silent one if necessary. Returns false if there is none.
    pub(super) fn make_space(&mut self) -> bool {
        self.connections.len() < MAX_PENDING || self.close_longest_silent()
    }

    /// Closes the connection that has been silent longest. Returns false if there is none.
    pub(super) fn close_longest_silent(&mut self) -> bool {
        let silent = self.connections.iter().enumerate().filter(|(_, connection)| connection.is_silent());
        let longest = longest_idle(silent.map(|(n, connection)| (n, connection.peer, connection.since)));
        longest.map(|n| self.connections.remove(n)).is_some()
    }

    /// Hands each connection that has a request to `start`, probes first, then in order of arrival. Those that `start`
    /// gives back stay pending. Returns whether none was given back.
    pub(super) fn start_ready(
        &mut self,
        mut start: impl FnMut(PendingConnection) -> Result<(), PendingConnection>,
    ) -> bool {
        let (mut ready, mut pending): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.connections).into_iter().partition(|connection| connection.has_request);
        ready.sort_by_key(|connection| !connection.is_probe);
        let returned: Vec<_> = ready.into_iter().filter_map(|connection| start(connection).err()).collect();
        let all_started = returned.is_empty();
        pending.extend(returned);
        pending.sort_by_key(|connection| connection.since);
        self.connections = pending;
        all_started
    }
}
