//! Connections. One rule: after any I/O error a connection is dropped, never used again,
//! because the reply that was missed may have moved a job.

use std::io::ErrorKind as Io;
use std::time::{Duration, Instant};

use redis::{Cmd, Connection, ErrorKind, RedisError, RedisResult, ServerErrorKind};

use super::diagnosis::{self, Finding};
use super::pool::{Borrowed, Live, Pool};
use super::{Address, Patience};
use crate::error::{Error, Result, io_error};

/// One reply as it came.
pub(crate) type Reply = redis::Value;

/// A server closes connections that were idle for long (`timeout`, a proxy's limit). One that was used this
/// lately is taken to be open.
const SURELY_OPEN: Duration = Duration::from_secs(5);

/// What may be done with commands when the connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// They may have been carried out, and must not be carried out twice.
    Never,
    /// They do no harm when they are carried out twice. So a connection that turns out to have been closed while
    /// it was idle is replaced, and that does not count as a try.
    Harmless,
}

/// A server and the idle connections to it. Shared by threads: each call borrows a connection.
pub(crate) struct Redis {
    client: redis::Client,
    address: Address,
    pool: Pool,
}

impl Redis {
    /// Does not connect yet.
    pub(crate) fn new(address: Address) -> Result<Self> {
        let client = redis::Client::open(address.info().clone())
            .map_err(|error| Error::from_redis(&address.to_string(), &error))?;
        Ok(Redis { client, address, pool: Pool::new() })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// A connection of one's own, for a thread that blocks on the server up to `block`.
    pub(crate) fn connect(&self, block: Duration, patience: Patience) -> Result<Connection> {
        let open = || {
            let live = self.open(patience.connect, patience.answer)?;
            // Longer than the block, so that a time-out means a silent server and not an empty queue.
            live.connection.set_read_timeout(Some(block + patience.answer))?;
            Ok(live.connection)
        };
        open().map_err(|error| self.explain(&error, patience.connect))
    }

    fn open(&self, connect: Duration, answer: Duration) -> RedisResult<Live> {
        // The client waits so long for the connection, and again for each answer to what it sends first.
        let settings = self.address.info().redis_settings();
        let waits = 1 + u32::from(settings.password().is_some()) + u32::from(settings.db() != 0);
        let connection = self.client.get_connection_with_timeout(connect / waits)?;
        let mut live = Live { connection, answer: Duration::ZERO, used_at: Instant::now() };
        set_answer_limit(&mut live, answer)?;
        introduce(&mut live.connection)?;
        Ok(live)
    }

    /// What an error of a new connection means. One that was closed at once: the server may say why.
    fn explain(&self, error: &RedisError, patience: Duration) -> Error {
        let closed = [Io::ConnectionReset, Io::BrokenPipe, Io::UnexpectedEof, Io::ConnectionAborted];
        let is_closed = io_error(error).is_some_and(|error| closed.contains(&error.kind()));
        let address = self.address.info().addr();
        let finding = match error.kind() {
            // The client takes any answer to `AUTH` for a wrong password.
            ErrorKind::AuthenticationFailed => diagnosis::why_denied(address, patience).map(Finding::Said),
            _ if is_closed => diagnosis::why_closed(address, patience),
            _ => None,
        };
        match finding {
            Some(Finding::Said(reason)) => Error::Refused { reason },
            Some(Finding::SpeaksTls) => Error::wants_tls(&self.address.to_string()),
            None => self.meaning(error),
        }
    }

    /// Sends the commands in one go, and gives up at `until`. The outer result is the connection's, the inner
    /// ones are the server's, one for each command.
    pub(crate) fn send(
        &self,
        commands: &[&Cmd],
        (patience, until): (Patience, Instant),
        repeat: Repeat,
    ) -> Result<Vec<RedisResult<Reply>>> {
        let mut borrowed = self.pool.borrow();
        // Whether a command was carried out is unknown when a connection breaks, so one that must not be
        // repeated goes over a connection that is open for sure.
        let is_fit = |live: &Live| repeat == Repeat::Harmless || live.used_at.elapsed() < SURELY_OPEN;
        let mut idle = borrowed.live.take().filter(is_fit);
        let (live, replies) = loop {
            let is_reused = idle.is_some();
            let error = match self.attempt(idle.take(), commands, patience, until) {
                Ok(done) => break done,
                Err(error) => error,
            };
            if is_reused {
                // What was idle beside a broken connection is most likely broken too.
                self.pool.clear();
            }
            let is_no_try = is_interrupted(&error) || (is_reused && !error.is_timeout());
            if repeat == Repeat::Harmless && is_no_try && !left(until).is_zero() {
                continue;
            }
            return Err(self.explain(&error, patience.connect.min(left(until))));
        };
        if replies.iter().any(is_demoted) {
            // The address may lead to the new primary by now.
            self.pool.clear();
        } else {
            borrowed.keep(live);
        }
        Ok(replies)
    }

    /// Over this connection, or over a new one.
    fn attempt(
        &self,
        idle: Option<Live>,
        commands: &[&Cmd],
        patience: Patience,
        until: Instant,
    ) -> RedisResult<(Live, Vec<RedisResult<Reply>>)> {
        let answer = patience.answer.min(left(until));
        let mut live = match idle {
            Some(live) => live,
            None => self.open(patience.connect.min(left(until)), answer)?,
        };
        set_answer_limit(&mut live, answer)?;
        let replies = exchange(&mut live.connection, commands, until)?;
        Ok((live, replies))
    }

    /// A connection for commands that are sent before the answers to earlier ones have come.
    pub(crate) fn stream(&self) -> Stream<'_> {
        let mut borrowed = self.pool.borrow();
        Stream { live: borrowed.live.take(), borrowed: Some(borrowed), awaited: 0 }
    }

    pub(crate) fn meaning(&self, error: &RedisError) -> Error {
        Error::from_redis(&self.address.to_string(), error)
    }
}

/// Commands on one connection, in order. They must be such that may be repeated: when one is refused its answer
/// is `None`, and those behind it are carried out all the same; when the connection breaks, all are `None` from
/// there on, and what was sent may have been carried out.
pub(crate) struct Stream<'a> {
    borrowed: Option<Borrowed<'a>>,
    live: Option<Live>,
    awaited: usize,
}

impl Stream<'_> {
    pub(crate) fn send(&mut self, command: &Cmd) {
        self.awaited += 1;
        self.live = self.live.take().and_then(|mut live| {
            live.connection.send_packed_command(&command.get_packed_command()).ok()?;
            Some(live)
        });
    }

    pub(crate) fn answer(&mut self) -> Option<Reply> {
        self.awaited -= 1;
        let mut live = self.live.take()?;
        let reply = live.connection.recv_response().ok()?;
        self.live = Some(live);
        Some(reply).filter(|reply| !matches!(reply, Reply::ServerError(_)))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        // One that still has answers to give would give them to somebody else.
        if self.awaited == 0
            && let (Some(borrowed), Some(live)) = (self.borrowed.take(), self.live.take())
        {
            borrowed.keep(live);
        }
    }
}

/// Says who connects, for `CLIENT LIST`. Servers before Redis 7.2 do not know the command.
fn introduce(connection: &mut Connection) -> RedisResult<()> {
    let mut packed = Vec::new();
    for (attribute, value) in [("LIB-NAME", "rq-rs"), ("LIB-VER", env!("CARGO_PKG_VERSION"))] {
        redis::cmd("CLIENT").arg("SETINFO").arg(attribute).arg(value).write_packed_command(&mut packed);
    }
    connection.send_packed_command(&packed)?;
    (0..2).try_for_each(|_| connection.recv_response().map(drop))
}

/// How long the next answers are waited for.
fn set_answer_limit(live: &mut Live, answer: Duration) -> RedisResult<()> {
    if live.answer != answer {
        // Zero would mean for ever.
        let limit = Some(answer.max(Duration::from_millis(1)));
        live.connection.set_read_timeout(limit)?;
        live.connection.set_write_timeout(limit)?;
        live.answer = answer;
    }
    Ok(())
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// A signal came while an answer was waited for; it is lost with the connection.
fn is_interrupted(error: &RedisError) -> bool {
    io_error(error).is_some_and(|error| error.kind() == Io::Interrupted)
}

fn exchange(
    connection: &mut Connection,
    commands: &[&Cmd],
    until: Instant,
) -> RedisResult<Vec<RedisResult<Reply>>> {
    let mut packed = Vec::new();
    for command in commands {
        command.write_packed_command(&mut packed);
    }
    connection.send_packed_command(&packed)?;
    drop(packed); // a large payload need not be there twice
    let mut replies = Vec::with_capacity(commands.len());
    for n in 0..commands.len() {
        if n > 0 && left(until).is_zero() {
            return Err(std::io::Error::from(Io::TimedOut).into());
        }
        replies.push(connection.recv_response().map(Reply::extract_error)?);
    }
    Ok(replies)
}

/// Whether the server has turned into a replica.
fn is_demoted(reply: &RedisResult<Reply>) -> bool {
    let kinds = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown];
    matches!(reply, Err(error) if kinds.iter().any(|kind| error.kind() == ErrorKind::Server(*kind)))
}
