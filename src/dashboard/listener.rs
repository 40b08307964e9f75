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

/// More connections than this are not open at once.
const MOST: usize = 64;
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
    let serve = move || {
        super::signals_go_elsewhere();
        let number = guest.number;
        let guests = guest.all.clone();
        // Whatever happens to one guest, its place is free afterwards.
        let _ = catch_unwind(AssertUnwindSafe(|| site.serve(stream, guest, peer)));
        guests.lock().remove(&number);
    };
    let name = "rq-rs guest".to_owned();
    // Without a thread there is no answer; the place is given back with the guest that was dropped.
    if std::thread::Builder::new().name(name).stack_size(STACK).spawn(serve).is_err() {
        guests.forget_the_newest();
    }
}

/// All that are here.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<HashMap<u64, Seat>>>);

struct Seat {
    stream: TcpStream,
    peer: IpAddr,
    /// Since when it is waited for; nothing while it is answered.
    waits_since: Option<Instant>,
}

/// One that is here.
pub(super) struct Guest {
    number: u64,
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
        if let Some(seat) = self.all.lock().get_mut(&self.number) {
            seat.waits_since = since;
        }
    }

    pub(super) fn twin(&self) -> Guest {
        Guest { number: self.number, all: self.all.clone() }
    }
}

impl Guests {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Seat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, stream: &TcpStream, peer: IpAddr) -> Option<Guest> {
        let mut seats = self.lock();
        if seats.len() >= MOST {
            let number = longest_waiting(&seats)?;
            // Its thread sees the end of the connection, and ends too.
            let _ = seats.remove(&number)?.stream.shutdown(Shutdown::Both);
        }
        let number = seats.keys().max().map_or(0, |newest| newest + 1);
        seats.insert(
            number,
            Seat { stream: stream.try_clone().ok()?, peer, waits_since: Some(Instant::now()) },
        );
        Some(Guest { number, all: self.clone() })
    }

    fn forget_the_newest(&self) {
        let mut seats = self.lock();
        if let Some(newest) = seats.keys().max().copied() {
            seats.remove(&newest);
        }
    }

    fn dismiss(&self) {
        for seat in self.lock().values().filter(|seat| seat.waits_since.is_some()) {
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
