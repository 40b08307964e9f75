//! The listening thread: it accepts connections and starts a thread for each that has sent a request.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::SigSet;

use super::connections::ConnectionLimiter;
use super::pending::{PendingConnection, PendingConnections};
use super::serve::serve;
use super::state::AppState;

const STACK_SIZE: usize = 512 * 1024;
/// Wait before the next try while no permit is free.
const PERMIT_RETRY_DELAY: Duration = Duration::from_millis(5);
/// Wait before the next try while the process is out of file descriptors.
const DESCRIPTOR_RETRY_DELAY: Duration = Duration::from_millis(100);

/// A running server.
pub(crate) struct ServerHandle {
    address: SocketAddr,
    should_stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl ServerHandle {
    /// Address of the listener, with the actual port when port 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server without waiting for responses in progress.
    pub(crate) fn stop(self) {
        self.should_stop.store(true, Ordering::Relaxed);
        // The thread waits for a connection; this one wakes it.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        let _ = self.thread.join();
    }

    /// Waits until the server ends.
    pub(crate) fn wait(self) {
        let _ = self.thread.join();
    }
}

pub(super) fn start(listener: TcpListener, state: AppState) -> io::Result<ServerHandle> {
    let (address, should_stop) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
    // A client may be gone between poll and accept, which then must not block.
    listener.set_nonblocking(true)?;
    let (limiter, state, stop_flag) =
        (ConnectionLimiter::default(), Arc::new(state), Arc::clone(&should_stop));
    let thread = std::thread::Builder::new().name("rq-rs dashboard".to_owned()).spawn(move || {
        block_signals();
        let mut pending = PendingConnections::new(&state.options.url_prefix);
        while !stop_flag.load(Ordering::Relaxed) {
            let all_accepted = !pending.wait(&listener) || accept_all(&listener, &mut pending);
            let all_started =
                pending.start_ready(|connection| start_connection(&limiter, &state, connection));
            if !all_started || !all_accepted {
                std::thread::sleep(PERMIT_RETRY_DELAY);
            }
        }
        limiter.close_idle();
    })?;
    Ok(ServerHandle { address, should_stop, thread })
}

/// Accepts the waiting connections. Returns whether there was space for all of them.
fn accept_all(listener: &TcpListener, pending: &mut PendingConnections) -> bool {
    while pending.make_space() {
        match listener.accept() {
            // On some systems an accepted socket inherits the listener's non-blocking mode.
            Ok((stream, peer)) if stream.set_nonblocking(false).is_ok() => pending.push(stream, peer.ip()),
            // Dropping a socket that cannot be used closes the connection.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            // Most likely out of file descriptors: closing a connection frees one.
            Err(_) => {
                if !pending.close_longest_silent() {
                    std::thread::sleep(DESCRIPTOR_RETRY_DELAY);
                }
                return true;
            }
        }
    }
    false
}

/// Starts a thread for the connection, or gives it back if no permit is free.
fn start_connection(
    limiter: &ConnectionLimiter,
    state: &Arc<AppState>,
    connection: PendingConnection,
) -> Result<(), PendingConnection> {
    let Some(permit) = limiter.try_acquire(&connection.stream, connection.peer, connection.priority()) else {
        return Err(connection);
    };
    let PendingConnection { stream, peer, .. } = connection;
    let state = Arc::clone(state);
    let _ = stream.set_nodelay(true);
    let (id, thread_limiter) = (permit.id, limiter.clone());
    let run = move || {
        block_signals();
        // A panic must not leak the permit.
        let _ = catch_unwind(AssertUnwindSafe(|| serve(&state, stream, permit, peer)));
        thread_limiter.release(id);
    };
    let name = "rq-rs http".to_owned();
    // If the thread cannot be started, the connection is closed without a response.
    if std::thread::Builder::new().name(name).stack_size(STACK_SIZE).spawn(run).is_err() {
        limiter.release(id);
    }
    Ok(())
}

/// Signals are handled by the thread that waits for them.
fn block_signals() {
    let _ = SigSet::all().thread_block();
}
