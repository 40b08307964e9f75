//! ConnectionTable for connections: never more than a few dozen. Who waits for longest without having asked for anything, or does
//! not read its answer, makes room for the next one, so that many slow clients do not keep a quick one out.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// More connections than this are not open at once, but for some that ask whether the program lives.
const MOST: usize = 64;
const PROBES: usize = 16;
/// Who had to leave takes a moment, half a second after a wrong password.
const THREADS: usize = 2 * MOST;

/// All that are here.
#[derive(Clone, Default)]
pub(super) struct ConnectionLimiter(Arc<Mutex<ConnectionTable>>);

#[derive(Default)]
struct ConnectionTable {
    taken: HashMap<u64, Entry>,
    /// No number is given twice: who has left must not take the seat of another one along.
    numbers: u64,
    /// Of those who had to leave too, until they have.
    threads: usize,
}

struct Entry {
    stream: TcpStream,
    peer: IpAddr,
    at: At,
}

/// What is waited for, and since when.
#[derive(Clone, Copy)]
enum At {
    /// A request, the rest of one, or the end of the connection.
    Asking(Instant),
    /// Nothing: it is our turn.
    Served,
    /// That it reads the answer.
    Reading(Instant),
    /// Nothing: it is refused, and held up.
    Refused(Instant),
}

impl Entry {
    /// Since when it keeps others waiting. What it has sent, or could be sent, is for us to do.
    fn waits_since(&self) -> Option<Instant> {
        let (our_turn, since) = match self.at {
            At::Served => return None,
            At::Refused(since) => return Some(since),
            At::Asking(since) => (PollFlags::POLLIN, since),
            At::Reading(since) => (PollFlags::POLLOUT, since),
        };
        let mut fds = [PollFd::new(self.stream.as_fd(), our_turn)];
        (poll(&mut fds, PollTimeout::ZERO) == Ok(0)).then_some(since)
    }
}

/// What a seat is wanted for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Claim {
    Page,
    /// The same, by one for whom a refusal is better by now than more waiting.
    Refusal,
    Probe,
}

/// One that is here.
pub(super) struct ConnectionPermit {
    pub(super) number: u64,
    /// Whether it may ask for `/livez` only.
    pub(super) is_short: bool,
    all: ConnectionLimiter,
}

impl ConnectionPermit {
    /// It is to send something, since then.
    pub(super) fn asks(&self, since: Instant) {
        self.set(At::Asking(since));
    }

    /// What it has sent, or gets, is for us to do.
    pub(super) fn is_served(&self) {
        self.set(At::Served);
    }

    /// It is to read its answer, since then.
    pub(super) fn reads(&self, since: Instant) {
        self.set(At::Reading(since));
    }

    /// It is held up before it is refused.
    pub(super) fn is_refused(&self) {
        self.set(At::Refused(Instant::now()));
    }

    fn set(&self, at: At) {
        if let Some(seat) = self.all.lock().taken.get_mut(&self.number) {
            seat.at = at;
        }
    }

    pub(super) fn twin(&self) -> ConnectionPermit {
        ConnectionPermit { number: self.number, is_short: self.is_short, all: self.all.clone() }
    }
}

impl ConnectionLimiter {
    fn lock(&self) -> MutexGuard<'_, ConnectionTable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for one who has asked for something; nothing while there is no room.
    pub(super) fn try_acquire(
        &self,
        stream: &TcpStream,
        peer: IpAddr,
        claim: Claim,
    ) -> Option<ConnectionPermit> {
        let mut seats = self.lock();
        if seats.threads >= if claim == Claim::Page { THREADS } else { THREADS + PROBES } {
            return None;
        }
        if seats.taken.len() >= MOST {
            let waiting =
                seats.taken.iter().filter_map(|(n, seat)| Some((*n, seat.peer, seat.waits_since()?)));
            if let Some(number) = longest_waiting(waiting) {
                // Its thread sees the end of the connection, and ends too.
                let _ = seats.taken.remove(&number)?.stream.shutdown(Shutdown::Both);
            }
        }
        // All are being answered, most likely by a Redis that hangs: some more may ask whether the program lives, or
        // be told to come again.
        let is_short = seats.taken.len() >= MOST || seats.threads >= THREADS;
        let most = match claim {
            Claim::Page => MOST,
            Claim::Refusal => MOST + PROBES / 2,
            Claim::Probe => MOST + PROBES,
        };
        if seats.taken.len() >= most {
            return None;
        }
        let stream = stream.try_clone().ok()?;
        let number = seats.numbers;
        seats.numbers += 1;
        seats.threads += 1;
        seats.taken.insert(number, Entry { stream, peer, at: At::Served });
        Some(ConnectionPermit { number, is_short, all: self.clone() })
    }

    /// Its thread has ended.
    pub(super) fn forget(&self, number: u64) {
        let mut seats = self.lock();
        seats.taken.remove(&number);
        seats.threads -= 1;
    }

    pub(super) fn dismiss(&self) {
        for seat in self.lock().taken.values().filter(|seat| !matches!(seat.at, At::Served)) {
            let _ = seat.stream.shutdown(Shutdown::Both);
        }
    }
}

/// Of those who have the most connections.
pub(super) fn longest_waiting<K>(waiting: impl Iterator<Item = (K, IpAddr, Instant)>) -> Option<K> {
    let waiting: Vec<_> = waiting.collect();
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for (_, peer, _) in &waiting {
        *counts.entry(*peer).or_default() += 1;
    }
    let longest = waiting.into_iter().min_by_key(|(_, peer, since)| (usize::MAX - counts[peer], *since));
    longest.map(|(key, ..)| key)
}
