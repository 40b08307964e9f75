//! A socket for hyper, which asks whether there is something to read where ours waits until there is. Every wait
//! has its end, whatever the other side does; and a line of a head that ends without CR is refused, because a proxy
//! before us might see other requests than we do.

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

/// From a connection, or the first byte of another request, to the end of its head.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// For all of an answer, and for any part of it to go.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const PART_WITHIN: Duration = Duration::from_secs(10);
/// Between two requests.
const KEPT_ALIVE: Duration = Duration::from_secs(15);
/// What is left of a request that was refused is read for so long, so that the client sees the answer and not a reset.
const DRAINED: (usize, Duration) = (256 * 1024, Duration::from_millis(300));

/// What the connection is at. Shared with whoever answers, on the same thread.
#[derive(Clone)]
pub(super) struct ConnectionPhase(Rc<Cell<Step>>);

#[derive(Clone, Copy)]
struct Step {
    at: At,
    since: Instant,
    until: Instant,
}

impl Step {
    fn now(at: At, within: Duration) -> Self {
        let since = Instant::now();
        Step { at, since, until: since + within }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum At {
    Idle,
    Head,
    /// The head is there; nobody has read in it yet how long the body is.
    Read,
    /// So many bytes of the body are still to come.
    Body(u64),
    Answer,
}

impl ConnectionPhase {
    fn set(&self, at: At, within: Duration) {
        self.0.set(Step::now(at, within));
    }

    fn at(&self) -> At {
        self.0.get().at
    }

    fn since(&self) -> Instant {
        self.0.get().since
    }

    /// The head has been read, and says how long the body is.
    pub(super) fn expects(&self, bytes: u64) {
        self.set(At::Body(bytes), BODY_WITHIN);
    }

    /// How long the next wait may take.
    fn left(&self) -> Result<Duration> {
        let left = self.0.get().until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

pub(super) struct BlockingSocket {
    stream: TcpStream,
    stage: ConnectionPhase,
    guest: ConnectionPermit,
    /// What has come and is not to be seen yet: hyper gets one head, its body, and then the next one.
    came: Vec<u8>,
    last: [u8; 4],
    /// Whether what hyper has to say could be said since the head came.
    has_let_write: bool,
    /// How often something was read or written.
    progress: Rc<Cell<u64>>,
}

impl BlockingSocket {
    pub(super) fn new(stream: TcpStream, guest: ConnectionPermit) -> Self {
        let stage = ConnectionPhase(Rc::new(Cell::new(Step::now(At::Head, HEAD_WITHIN))));
        BlockingSocket {
            stream,
            stage,
            guest,
            came: Vec::new(),
            last: [0; 4],
            has_let_write: false,
            progress: Rc::default(),
        }
    }

    pub(super) fn stage(&self) -> ConnectionPhase {
        self.stage.clone()
    }

    pub(super) fn progress(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.progress)
    }

    fn fill(&mut self) -> Result<()> {
        if !self.came.is_empty() {
            return Ok(());
        }
        let mut bytes = [0; 8192];
        if !is_ready(&self.stream, PollFlags::POLLIN, Duration::ZERO) {
            self.guest.asks(self.stage.since());
            is_ready(&self.stream, PollFlags::POLLIN, self.stage.left()?);
            // From here on it is not to be shown out for what it has sent.
            self.guest.is_served();
        }
        self.stream.set_read_timeout(Some(self.stage.left()?))?;
        let n = self.stream.read(&mut bytes)?;
        self.came.extend_from_slice(&bytes[..n]);
        Ok(())
    }

    /// How much of what has come belongs to the head.
    fn head(&mut self) -> usize {
        for (n, byte) in self.came.iter_mut().enumerate() {
            if *byte == b'\n' && self.last[3] != b'\r' {
                *byte = 0; // which no head may have
            }
            self.last.rotate_left(1);
            self.last[3] = *byte;
            if self.last == *b"\r\n\r\n" {
                self.last = [0; 4];
                self.has_let_write = false;
                self.stage.set(At::Read, BODY_WITHIN);
                return n + 1;
            }
        }
        self.came.len()
    }

    fn take(&mut self, most: usize) -> Result<Vec<u8>> {
        if self.stage.at() == At::Answer {
            self.stage.set(At::Idle, KEPT_ALIVE);
        }
        self.fill()?;
        if self.stage.at() == At::Idle && !self.came.is_empty() {
            self.stage.set(At::Head, HEAD_WITHIN);
        }
        let mine = match self.stage.at() {
            At::Body(left) => {
                let mine = self.came.len().min(most).min(usize::try_from(left).unwrap_or(usize::MAX));
                self.stage.0.set(Step { at: At::Body(left - mine as u64), ..self.stage.0.get() });
                mine
            }
            _ => {
                // What does not fit waits, and is looked at when it is taken.
                let rest = self.came.split_off(self.came.len().min(most));
                let mine = self.head();
                self.came.extend(rest);
                mine
            }
        };
        Ok(self.came.drain(..mine).collect())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let wait = self.stage.left()?.min(PART_WITHIN);
        if !is_ready(&self.stream, PollFlags::POLLOUT, Duration::ZERO) {
            // Whoever does not read what it has asked for makes room for others.
            self.guest.reads(self.stage.since());
            is_ready(&self.stream, PollFlags::POLLOUT, wait);
            self.guest.is_served();
        }
        self.stream.set_write_timeout(Some(wait))?;
        self.stream.write(bytes).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => Error::from(ErrorKind::TimedOut),
            _ => error,
        })
    }

    /// The end of a connection on which something may still come.
    pub(super) fn drain(stream: &TcpStream) {
        let _ = stream.shutdown(Shutdown::Write);
        let (mut left, until) = (DRAINED.0, Instant::now() + DRAINED.1);
        let (mut reader, mut bytes) = (stream, [0; 8192]);
        while let Some(wait) = until.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
            let _ = stream.set_read_timeout(Some(wait));
            match reader.read(&mut bytes) {
                Ok(n @ 1..) if n <= left => left -= n,
                _ => return,
            }
        }
    }
}

/// Whether the socket can be read or written by then, or is at its end.
fn is_ready(stream: &TcpStream, what: PollFlags, within: Duration) -> bool {
    let within = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
    poll(&mut [PollFd::new(stream.as_fd(), what)], within) == Ok(1)
}

impl hyper::rt::Read for BlockingSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        let wire = self.get_mut();
        if matches!(wire.stage.at(), At::Read | At::Body(0)) {
            // There is nothing to wait for before the head has been looked at.
            return Poll::Pending;
        }
        if matches!(wire.stage.at(), At::Body(_)) && wire.came.is_empty() && !wire.has_let_write {
            // A client may wait until it is told to go on, and that is written after this.
            wire.has_let_write = true;
            return Poll::Pending;
        }
        wire.progress.set(wire.progress.get() + 1);
        let read = wire.take(buffer.remaining());
        Poll::Ready(read.map(|bytes| buffer.put_slice(&bytes)))
    }
}

impl hyper::rt::Write for BlockingSocket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let wire = self.get_mut();
        wire.progress.set(wire.progress.get() + 1);
        // While a body is still to come it is only told that it may.
        if !matches!(wire.stage.at(), At::Answer | At::Body(1..)) {
            wire.stage.set(At::Answer, ANSWER_WITHIN);
        }
        Poll::Ready(wire.put(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.guest.asks(Instant::now());
        BlockingSocket::drain(&self.stream);
        Poll::Ready(Ok(()))
    }
}
