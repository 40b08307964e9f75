//! Connections that have not sent anything yet, or have no seat yet. They cost no thread: whoever is slow to ask keeps
//! nobody out, and whoever has asked is not taken for one who is slow. Probes go before all others.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::connections::{Claim, longest_waiting};

/// More do not wait.
const MOST: usize = 256;
/// Nor for longer.
const WITHIN: Duration = Duration::from_secs(5);
/// Whoever has come is given so long to ask, however many come.
const PROMPT: Duration = Duration::from_millis(500);
/// One that has waited so long for a seat is told to come again.
const PATIENT: Duration = Duration::from_secs(1);

/// One that waits.
pub(super) struct PendingConnection {
    pub(super) stream: TcpStream,
    pub(super) peer: IpAddr,
    since: Instant,
    has_asked: bool,
    /// Whether it asks if the program lives.
    is_probe: bool,
}

impl PendingConnection {
    pub(super) fn claim(&self) -> Claim {
        match self.is_probe {
            true => Claim::Probe,
            false if self.since.elapsed() < PATIENT => Claim::Page,
            false => Claim::Refusal,
        }
    }

    /// It has sent something, or has gone.
    fn asks(&mut self, probe: &str) {
        if std::mem::replace(&mut self.has_asked, true) {
            return;
        }
        let mut head = [0; 512];
        let n = self.stream.peek(&mut head).unwrap_or(0);
        let path = head[..n].split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        self.is_probe = path == b"/livez" || path == probe.as_bytes();
    }
}

fn is_ready(stream: &TcpStream) -> bool {
    poll(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) != Ok(0)
}

/// All that wait.
pub(super) struct PendingConnections {
    visitors: Vec<PendingConnection>,
    /// The path of probes, where there is a prefix.
    probe: String,
}

impl PendingConnections {
    pub(super) fn new(url_prefix: &str) -> Self {
        PendingConnections { visitors: Vec::new(), probe: format!("{url_prefix}/livez") }
    }

    /// Waits until somebody comes or asks. Says whether somebody comes.
    pub(super) fn wait(&mut self, listener: &TcpListener) -> bool {
        self.visitors.retain(|visitor| visitor.since.elapsed() < WITHIN);
        let within = match self.visitors.is_empty() {
            true => PollTimeout::NONE,
            false => PollTimeout::from(1000_u16),
        };
        let streams = self.visitors.iter().map(|visitor| visitor.stream.as_fd());
        let fds = streams.chain([listener.as_fd()]).map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let mut fds: Vec<_> = fds.collect();
        if poll(&mut fds, within).is_err() {
            return false;
        }
        let told: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        for (visitor, _) in self.visitors.iter_mut().zip(&told).filter(|(_, is_told)| **is_told) {
            visitor.asks(&self.probe);
        }
        told.last() == Some(&true)
    }

    /// One who has come.
    pub(super) fn enter(&mut self, stream: TcpStream, peer: IpAddr) {
        let since = Instant::now();
        self.visitors.push(PendingConnection { stream, peer, since, has_asked: false, is_probe: false });
    }

    /// Whether there is room for one more, or somebody has made some.
    pub(super) fn has_room(&mut self) -> bool {
        self.visitors.len() < MOST || self.show_one_out()
    }

    /// Whether there was one that has had time to ask, and has not.
    pub(super) fn show_one_out(&mut self) -> bool {
        let all = self.visitors.iter().enumerate();
        let silent = all.filter(|(_, visitor)| {
            !visitor.has_asked && visitor.since.elapsed() >= PROMPT && !is_ready(&visitor.stream)
        });
        let longest = longest_waiting(silent.map(|(n, visitor)| (n, visitor.peer, visitor.since)));
        longest.map(|n| self.visitors.remove(n)).is_some()
    }

    /// Hands over those who have asked, the first one first, and keeps those who are given back. Says whether all have
    /// a seat.
    pub(super) fn seat(
        &mut self,
        mut seat: impl FnMut(PendingConnection) -> Result<(), PendingConnection>,
    ) -> bool {
        let (mut asked, mut stay): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.visitors).into_iter().partition(|visitor| visitor.has_asked);
        asked.sort_by_key(|visitor| !visitor.is_probe);
        let back: Vec<_> = asked.into_iter().filter_map(|visitor| seat(visitor).err()).collect();
        let has_seats = back.is_empty();
        stay.extend(back);
        stay.sort_by_key(|visitor| visitor.since);
        self.visitors = stay;
        has_seats
    }
}
