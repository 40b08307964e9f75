//! Connections: each gets a thread, if there is a seat.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::guests::Guests;
use super::site::Site;

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
    let (number, seats) = (guest.number, guests.clone());
    let serve = move || {
        super::signals_go_elsewhere();
        // Whatever happens to one guest, its place is free afterwards.
        let _ = catch_unwind(AssertUnwindSafe(|| site.serve(stream, guest, peer)));
        seats.forget(number);
    };
    let name = "rq-rs guest".to_owned();
    // Without a thread there is no answer; the place is given back with the guest that was dropped.
    if std::thread::Builder::new().name(name).stack_size(STACK).spawn(serve).is_err() {
        guests.forget(number);
    }
}
