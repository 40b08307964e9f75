//! Connections: a thread each, never more than a few dozen. Who waits for longest without having asked for anything
//! makes room for the next one, so that many slow clients do not keep a quick one out.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::site::Site;

/// More connections than this are not open at once, but for some that ask whether the program lives.
const MOST: usize = 64;
const PROBES: usize = 16;
const STACK: usize = 512 * 1024;

/// A server that runs until it is stopped.
pub(crate) struct Running {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Where it listens, with the port that a wish for port 0 got.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; what is being answered is not waited for.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // It waits for a connection, and this is one.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        let _ = self.thread.join();
    }

    /// Until it ends.
    pub(crate) fn wait(self) {
        let _ = self.thread.join();
    }
}

pub(super) fn start(listener: TcpListener, site: Site) -> io::Result<Running> {
    let (address, stop) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
    let (guests, site, told) = (Guests::default(), Arc::new(site), Arc::clone(&stop));
    let thread = std::thread::Builder::new().name("rq-rs dashboard".to_owned()).spawn(move || {
        super::signals_go_elsewhere();
        while !told.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((stream, peer)) => welcome(&guests, &site, stream, peer.ip()),
                // Out of file handles, most likely: not to be asked again at once.
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        guests.dismiss();
    })?;
    Ok(Running { address, stop, thread })
}

fn welcome(guests: &Guests, site: &Arc<Site>, stream: TcpStream, peer: IpAddr) {
    let Some(guest) = guests.admit(&stream, peer) else {
        let mut stream = stream;
        let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
        let _ = stream
            .write_all(b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        return;
    };
    let site = Arc::clone(site);
    let _ = stream.set_nodelay(true);
    let number = guest.number;
    let serve = move || {
        super::signals_go_elsewhere();
        let guests = guest.all.clone();
        // Whatever happens to one guest, its place is free afterwards.
        let _ = catch_unwind(AssertUnwindSafe(|| site.serve(stream, guest, peer)));
        guests.lock().taken.remove(&number);
    };
    let name = "rq-rs guest".to_owned();
    // Without a thread there is no answer; the place is given back with the guest that was dropped.
    if std::thread::Builder::new().name(name).stack_size(STACK).spawn(serve).is_err() {
        guests.forget(number);
    }
}

/// All that are here.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<Seats>>);

#[derive(Default)]
struct Seats {
    taken: HashMap<u64, Seat>,
    /// No number is given twice: who has left must not take the seat of another one along.
    numbers: u64,
}

struct Seat {
    stream: TcpStream,
    peer: IpAddr,
    /// Since when it is waited for; nothing while it is answered.
    waits_since: Option<Instant>,
}

/// One that is here.
pub(super) struct Guest {
    number: u64,
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

    fn admit(&self, stream: &TcpStream, peer: IpAddr) -> Option<Guest> {
        let mut seats = self.lock();
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
        let number = seats.numbers;
        seats.numbers += 1;
        let seat = Seat { stream: stream.try_clone().ok()?, peer, waits_since: Some(Instant::now()) };
        seats.taken.insert(number, seat);
        Some(Guest { number, is_probe, all: self.clone() })
    }

    fn forget(&self, number: u64) {
        self.lock().taken.remove(&number);
    }

    fn dismiss(&self) {
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
