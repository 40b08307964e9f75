//! A blocking socket behind hyper's poll interface, with a time limit for every wait. It also replaces a bare LF in a
//! request head by a byte that hyper refuses: a proxy in front might split such a head into other requests.

use std::cell::Cell;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::ReadBufCursor;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::connections::ConnectionPermit;

/// Limit from the start of a connection, or from the first byte of a further request, to the end of the head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// Limit of each single write of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest pause between two requests.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(15);
/// Limits for reading the rest of a refused request. Without reading it, the client would see a reset instead of the
/// response.
const MAX_DRAINED_BYTES: usize = 256 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_millis(300);

/// Phase of a connection, shared between its socket and its request handler, which run on the same thread.
#[derive(Clone)]
pub(super) struct ConnectionPhase(Rc<Cell<PhaseTimes>>);

#[derive(Clone, Copy)]
struct PhaseTimes {
    phase: HttpPhase,
    since: Instant,
    deadline: Instant,
}

impl PhaseTimes {
    fn begin(phase: HttpPhase, timeout: Duration) -> Self {
        let since = Instant::now();
        PhaseTimes { phase, since, deadline: since + timeout }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum HttpPhase {
    /// Between two requests.
    Idle,
    Head,
    /// The head is complete; the handler has not read the length of the body from it yet.
    HeadComplete,
    /// So many bytes of the body are still to come.
    Body(u64),
    Response,
}

impl ConnectionPhase {
    fn enter(&self, phase: HttpPhase, timeout: Duration) {
        self.0.set(PhaseTimes::begin(phase, timeout));
    }

    fn current(&self) -> HttpPhase {
        self.0.get().phase
    }

    fn since(&self) -> Instant {
        self.0.get().since
    }

    /// Begins to read a body of this length in bytes. Without this call, hyper gets no byte after the head.
    pub(super) fn expect_body(&self, bytes: u64) {
        self.enter(HttpPhase::Body(bytes), BODY_TIMEOUT);
    }

    /// Subtracts from the bytes of the body; its deadline stays.
    fn consume_body(&self, bytes: u64) {
        let times = self.0.get();
        if let HttpPhase::Body(remaining) = times.phase {
            self.0.set(PhaseTimes { phase: HttpPhase::Body(remaining - bytes), ..times });
        }
    }

    fn remaining_time(&self) -> Result<Duration> {
        let remaining = self.0.get().deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(remaining) }
    }
}

pub(super) struct BlockingSocket {
    stream: TcpStream,
    phase: ConnectionPhase,
    permit: ConnectionPermit,
    /// Bytes received and not passed on yet: hyper gets one head, its body, and only then the next head.
    read_buffer: Vec<u8>,
    /// The last bytes of the head, for finding its end.
    last_bytes: [u8; 4],
    /// `true` if hyper had a chance to write since the head was complete.
    could_write: bool,
    /// Count of reads and writes.
    operations: Rc<Cell<u64>>,
}

impl BlockingSocket {
    pub(super) fn new(stream: TcpStream, permit: ConnectionPermit) -> Self {
        let phase = ConnectionPhase(Rc::new(Cell::new(PhaseTimes::begin(HttpPhase::Head, HEAD_TIMEOUT))));
        BlockingSocket {
            stream,
            phase,
            permit,
            read_buffer: Vec::new(),
            last_bytes: [0; 4],
            could_write: false,
            operations: Rc::default(),
        }
    }

    pub(super) fn phase(&self) -> ConnectionPhase {
        self.phase.clone()
    }

    /// Count of reads and writes so far; it shows whether the connection makes progress.
    pub(super) fn operations(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.operations)
    }

    /// Waits for bytes if the buffer is empty.
    fn fill_buffer(&mut self) -> Result<()> {
        if !self.read_buffer.is_empty() {
            return Ok(());
        }
        let mut bytes = [0; 8192];
        if !wait_until_ready(&self.stream, PollFlags::POLLIN, Duration::ZERO) {
            self.permit.mark_receiving(self.phase.since());
            wait_until_ready(&self.stream, PollFlags::POLLIN, self.phase.remaining_time()?);
            // From here on the connection must not be closed as an idle one: a request has arrived.
            self.permit.mark_busy();
        }
        self.stream.set_read_timeout(Some(self.phase.remaining_time()?))?;
        let n = self.stream.read(&mut bytes)?;
        self.read_buffer.extend_from_slice(&bytes[..n]);
        Ok(())
    }

    /// Scans the buffer for the end of the head. Returns how many bytes of the buffer belong to the head.
    fn scan_head(&mut self) -> usize {
        for (n, byte) in self.read_buffer.iter_mut().enumerate() {
            if *byte == b'\n' && self.last_bytes[3] != b'\r' {
                *byte = 0; // hyper refuses a head with a NUL
            }
            self.last_bytes.rotate_left(1);
            self.last_bytes[3] = *byte;
            if self.last_bytes == *b"\r\n\r\n" {
                self.last_bytes = [0; 4];
                self.could_write = false;
                self.phase.enter(HttpPhase::HeadComplete, BODY_TIMEOUT);
                return n + 1;
            }
        }
        self.read_buffer.len()
    }

    /// Returns the next bytes for hyper: at most `max`, and never past the end of a head or body.
    fn read(&mut self, max: usize) -> Result<Vec<u8>> {
        if self.phase.current() == HttpPhase::Response {
            self.phase.enter(HttpPhase::Idle, KEEP_ALIVE_TIMEOUT);
        }
        self.fill_buffer()?;
        if self.phase.current() == HttpPhase::Idle && !self.read_buffer.is_empty() {
            self.phase.enter(HttpPhase::Head, HEAD_TIMEOUT);
        }
        let length = match self.phase.current() {
            HttpPhase::Body(remaining) => {
                let remaining = usize::try_from(remaining).unwrap_or(usize::MAX);
                let length = self.read_buffer.len().min(max).min(remaining);
                self.phase.consume_body(length as u64);
                length
            }
            _ => {
                // Bytes beyond `max` are scanned when they are passed on.
                let rest = self.read_buffer.split_off(self.read_buffer.len().min(max));
                let length = self.scan_head();
                self.read_buffer.extend(rest);
                length
            }
        };
        Ok(self.read_buffer.drain(..length).collect())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let timeout = self.phase.remaining_time()?.min(WRITE_TIMEOUT);
        if !wait_until_ready(&self.stream, PollFlags::POLLOUT, Duration::ZERO) {
            // A client that does not read its response may be closed for another one.
            self.permit.mark_sending(self.phase.since());
            wait_until_ready(&self.stream, PollFlags::POLLOUT, timeout);
            self.permit.mark_busy();
        }
        self.stream.set_write_timeout(Some(timeout))?;
        self.stream.write(bytes).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => Error::from(ErrorKind::TimedOut),
            _ => error,
        })
    }

    /// Closes the writing side and reads what the client still sends, within limits.
    fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let (mut remaining, deadline) = (MAX_DRAINED_BYTES, Instant::now() + DRAIN_TIMEOUT);
        let (mut reader, mut bytes) = (&self.stream, [0; 8192]);
        let time_left =
            || deadline.checked_duration_since(Instant::now()).filter(|timeout| !timeout.is_zero());
        while let Some(timeout) = time_left() {
            let _ = self.stream.set_read_timeout(Some(timeout));
            match reader.read(&mut bytes) {
                Ok(n @ 1..) if n <= remaining => remaining -= n,
                _ => return,
            }
        }
    }

    fn count_operation(&self) {
        self.operations.set(self.operations.get() + 1);
    }
}

/// Waits until the socket can be read or written, or is closed. Returns false when the time is over.
fn wait_until_ready(stream: &TcpStream, direction: PollFlags, timeout: Duration) -> bool {
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    poll(&mut [PollFd::new(stream.as_fd(), direction)], timeout) == Ok(1)
}

impl hyper::rt::Read for BlockingSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        let socket = self.get_mut();
        if matches!(socket.phase.current(), HttpPhase::HeadComplete | HttpPhase::Body(0)) {
            // The handler runs next; blocking here would keep it from running.
            return Poll::Pending;
        }
        let is_in_body = matches!(socket.phase.current(), HttpPhase::Body(_));
        if is_in_body && socket.read_buffer.is_empty() && !socket.could_write {
            // The client may wait for `100 Continue`, which hyper writes after this.
            socket.could_write = true;
            return Poll::Pending;
        }
        socket.count_operation();
        let read = socket.read(buffer.remaining());
        Poll::Ready(read.map(|bytes| buffer.put_slice(&bytes)))
    }
}

impl hyper::rt::Write for BlockingSocket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let socket = self.get_mut();
        socket.count_operation();
        // Bytes written while the body is still expected are `100 Continue`, and no response yet.
        if !matches!(socket.phase.current(), HttpPhase::Response | HttpPhase::Body(1..)) {
            socket.phase.enter(HttpPhase::Response, RESPONSE_TIMEOUT);
        }
        Poll::Ready(socket.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.permit.mark_receiving(Instant::now());
        self.close();
        Poll::Ready(Ok(()))
    }
}
