//! Seats for connections: never more than a few dozen. Who waits for longest without having asked for anything makes
//! room for the next one, so that many slow clients do not keep a quick one out.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// More connections than this are not open at once, but for some that ask whether the program lives.
const MOST: usize = 64;
const PROBES: usize = 16;
/// Who had to leave takes a moment, half a second after a wrong password.
const THREADS: usize = 2 * MOST;

/// All that are here.
#[derive(Clone, Default)]
pub(super) struct Guests(Arc<Mutex<Seats>>);

#[derive(Default)]
struct Seats {
    taken: HashMap<u64, Seat>,
    /// No number is given twice: who has left must not take the seat of another one along.
    numbers: u64,
    /// Of those who had to leave too, until they have.
    threads: usize,
}

struct Seat {
    stream: TcpStream,
    peer: IpAddr,
    /// Since when it is waited for; nothing while it is answered.
    waits_since: Option<Instant>,
}

/// One that is here.
pub(super) struct Guest {
    pub(super) number: u64,
    /// Whether it may ask for `/livez` only.
    pub(super) is_probe: bool,
    all: Guests,
}

impl Guest {
    /// It has not asked for anything that is not answered.
    pub(super) fn waits(&self) {
        self.set(Some(Instant::now()));
    }

    /// It gets its answer.
    pub(super) fn is_served(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        if let Some(seat) = self.all.lock().taken.get_mut(&self.number) {
            seat.waits_since = since;
        }
    }

    pub(super) fn twin(&self) -> Guest {
        Guest { number: self.number, is_probe: self.is_probe, all: self.all.clone() }
    }
}

impl Guests {
    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn admit(&self, stream: &TcpStream, peer: IpAddr) -> Option<Guest> {
        let mut seats = self.lock();
        if seats.threads >= THREADS {
            return None;
        }
        let is_full = seats.taken.len() >= MOST;
        if is_full && let Some(number) = longest_waiting(&seats.taken) {
            // Its thread sees the end of the connection, and ends too.
            let _ = seats.taken.remove(&number)?.stream.shutdown(Shutdown::Both);
        }
        // All are being answered, most likely by a Redis that hangs: some more may ask whether the program lives.
        let is_probe = seats.taken.len() >= MOST;
        if seats.taken.len() >= MOST + PROBES {
            return None;
        }
        let seat = Seat { stream: stream.try_clone().ok()?, peer, waits_since: Some(Instant::now()) };
        let number = seats.numbers;
        seats.numbers += 1;
        seats.threads += 1;
        seats.taken.insert(number, seat);
        Some(Guest { number, is_probe, all: self.clone() })
    }

    /// Its thread has ended.
    pub(super) fn forget(&self, number: u64) {
        let mut seats = self.lock();
        seats.taken.remove(&number);
        seats.threads -= 1;
    }

    pub(super) fn dismiss(&self) {
        for seat in self.lock().taken.values().filter(|seat| seat.waits_since.is_some()) {
            let _ = seat.stream.shutdown(Shutdown::Both);
        }
    }
}

/// Of those who have the most connections.
fn longest_waiting(seats: &HashMap<u64, Seat>) -> Option<u64> {
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for seat in seats.values() {
        *counts.entry(seat.peer).or_default() += 1;
    }
    let waiting =
        seats.iter().filter_map(|(number, seat)| Some((seat.waits_since?, number, counts[&seat.peer])));
    waiting.max_by(|a, b| a.2.cmp(&b.2).then_with(|| b.0.cmp(&a.0))).map(|(_, number, _)| *number)
}
