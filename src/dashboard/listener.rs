//! Connections: each that asks gets a thread, if there is a seat.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::connections::ConnectionLimiter;
use super::pending::{PendingConnection, PendingConnections};
use super::state::AppState;

const STACK: usize = 512 * 1024;
/// Until a seat is looked for again, and until the system is asked again that has no more file handles.
const NO_SEAT: Duration = Duration::from_millis(5);
const NO_HANDLE: Duration = Duration::from_millis(100);

/// A server that runs until it is stopped.
pub(crate) struct ServerHandle {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl ServerHandle {
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

pub(super) fn start(listener: TcpListener, site: AppState) -> io::Result<ServerHandle> {
    let (address, stop) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
    // Whoever was there may have gone before it is let in.
    listener.set_nonblocking(true)?;
    let (guests, site, told) = (ConnectionLimiter::default(), Arc::new(site), Arc::clone(&stop));
    let thread = std::thread::Builder::new().name("rq-rs dashboard".to_owned()).spawn(move || {
        super::block_signals();
        let mut lobby = PendingConnections::new(&site.options.url_prefix);
        while !told.load(Ordering::Relaxed) {
            let are_in = !lobby.wait(&listener) || open(&listener, &mut lobby);
            if !lobby.seat(|visitor| welcome(&guests, &site, visitor)) || !are_in {
                std::thread::sleep(NO_SEAT);
            }
        }
        guests.dismiss();
    })?;
    Ok(ServerHandle { address, stop, thread })
}

/// Lets in those who are at the door. Says whether there was room for all.
fn open(listener: &TcpListener, lobby: &mut PendingConnections) -> bool {
    while lobby.has_room() {
        match listener.accept() {
            // Where it is not so by itself: a thread waits for what is read.
            Ok((stream, peer)) if stream.set_nonblocking(false).is_ok() => lobby.enter(stream, peer.ip()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            // Out of file handles, most likely: one is given back, or it is not to be asked again at once.
            Err(_) => {
                if !lobby.show_one_out() {
                    std::thread::sleep(NO_HANDLE);
                }
                return true;
            }
        }
    }
    false
}

/// Gives a thread to one who has asked, or gives it back.
fn welcome(
    guests: &ConnectionLimiter,
    site: &Arc<AppState>,
    visitor: PendingConnection,
) -> Result<(), PendingConnection> {
    let Some(guest) = guests.try_acquire(&visitor.stream, visitor.peer, visitor.claim()) else {
        return Err(visitor);
    };
    let PendingConnection { stream, peer, .. } = visitor;
    let site = Arc::clone(site);
    let _ = stream.set_nodelay(true);
    let (number, seats) = (guest.number, guests.clone());
    let serve = move || {
        super::block_signals();
        // Whatever happens to one guest, its place is free afterwards.
        let _ = catch_unwind(AssertUnwindSafe(|| site.serve(stream, guest, peer)));
        seats.forget(number);
    };
    let name = "rq-rs guest".to_owned();
    // Without a thread there is no answer; the place is given back with the guest that was dropped.
    if std::thread::Builder::new().name(name).stack_size(STACK).spawn(serve).is_err() {
        guests.forget(number);
    }
    Ok(())
}
