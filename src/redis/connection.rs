//! A server and the connections to it. One rule: after any I/O error a connection is dropped, never used again,
//! because a reply that was missed may have moved a job.

use std::io::ErrorKind as Io;
use std::time::{Duration, Instant};

use redis::{Cmd, Connection, ErrorKind, RedisError, RedisResult};

use super::address::Address;
use super::diagnosis::{self, Finding};
use super::pipelined::PipelinedConnection;
use super::pool::{OpenConnection, Pool};
use super::reply::Reply;
use super::sentinel::Sentinels;
use super::timeouts::Timeouts;
use crate::error::{Error, Result, io_error, is_from_replica};

/// A connection used this recently is taken to be open. Servers and proxies close connections that were idle for
/// longer (Redis' `timeout`, a proxy's limit).
const ASSUMED_OPEN_FOR: Duration = Duration::from_secs(5);

/// Guarantee for commands whose connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendMode {
    /// The commands may have run and must not run twice.
    AtMostOnce,
    /// The commands are safe to repeat. A pooled connection that turns out to have been closed while it was idle
    /// is replaced, and that does not count as an attempt.
    AtLeastOnce,
}

/// A server and the pool of connections to it. Shared by threads: each call uses a connection of its own.
pub(crate) struct Redis {
    client: redis::Client,
    sentinels: Option<Sentinels>,
    address: Address,
    pool: Pool,
}

impl Redis {
    /// Does not connect yet.
    pub(crate) fn new(address: Address) -> Result<Self> {
        let client = address.open_client()?;
        let sentinels = address.open_sentinels(&client)?;
        Ok(Redis { client, sentinels, address, pool: Pool::new() })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Opens a connection outside the pool, for a thread whose commands block on the server for up to `block`.
    pub(crate) fn connect(&self, block: Duration, timeouts: Timeouts) -> Result<Connection> {
        let open = || {
            let open = self.open(timeouts.connect, timeouts.reply)?;
            // Longer than the block, so that a time-out means a silent server and not an empty queue.
            open.connection.set_read_timeout(Some(block + timeouts.reply))?;
            Ok(open.connection)
        };
        open().map_err(|error| self.explain(&error, timeouts.connect))
    }

    fn open(&self, connect_timeout: Duration, reply_timeout: Duration) -> RedisResult<OpenConnection> {
        // The redis crate applies its limit to the connection, and again to each command of the handshake.
        let settings = self.address.info().redis_settings();
        let waits = 1 + u32::from(settings.password().is_some()) + u32::from(settings.db() != 0);
        let connection = match &self.sentinels {
            None => self.client.get_connection_with_timeout(connect_timeout / waits)?,
            Some(sentinels) => sentinels.connect(&self.client, connect_timeout / waits)?,
        };
        let mut open = OpenConnection { connection, reply_timeout: Duration::ZERO, used_at: Instant::now() };
        set_reply_timeout(&mut open, reply_timeout)?;
        send_library_info(&mut open.connection)?;
        Ok(open)
    }

    /// Maps an error of a new connection. If the server closed it at once, this finds out why, within `timeout`.
    fn explain(&self, error: &RedisError, timeout: Duration) -> Error {
        let closed = [Io::ConnectionReset, Io::BrokenPipe, Io::UnexpectedEof, Io::ConnectionAborted];
        let is_closed = io_error(error).is_some_and(|error| closed.contains(&error.kind()));
        let address = self.address.info().addr();
        let is_tls = matches!(address, redis::ConnectionAddr::TcpTls { .. });
        let finding = match error.kind() {
            // The address has no host to ask.
            _ if self.sentinels.is_some() => None,
            _ if is_tls && (is_closed || error.is_timeout()) => diagnosis::why_no_handshake(address, timeout),
            // The redis crate takes any error reply to `AUTH` for a wrong password.
            ErrorKind::AuthenticationFailed => {
                diagnosis::why_denied(address, timeout).map(Finding::ErrorMessage)
            }
            _ if is_closed => diagnosis::why_closed(address, timeout),
            _ => None,
        };
        match finding {
            Some(Finding::ErrorMessage(reason)) => Error::Refused { reason },
            Some(Finding::RequiresTls) => Error::tls_required(&self.address.to_string()),
            Some(Finding::SpeaksPlain) => Error::speaks_plain(&self.address.to_string()),
            None => self.map_error(error),
        }
    }

    /// Sends the commands in one round trip, and gives up at `deadline`. The outer error is the connection's, the
    /// inner ones are the commands'.
    pub(crate) fn send(
        &self,
        commands: &[&Cmd],
        (timeouts, deadline): (Timeouts, Instant),
        mode: SendMode,
    ) -> Result<Vec<RedisResult<Reply>>> {
        let mut permit = self.pool.acquire();
        // Commands that must not run twice only go over a connection that is surely open: when an idle connection
        // breaks, it is unknown whether they ran.
        let is_usable = |open: &OpenConnection| {
            mode == SendMode::AtLeastOnce || open.used_at.elapsed() < ASSUMED_OPEN_FOR
        };
        let idle = permit.idle.take().filter(is_usable);
        let (connection, replies) = self.send_over(idle, commands, (timeouts, deadline), mode)?;
        if replies.iter().filter_map(|reply| reply.as_ref().err()).any(is_from_replica) {
            // After a failover the address may lead to the new primary.
            self.pool.clear();
        } else {
            permit.return_to_pool(connection);
        }
        Ok(replies)
    }

    /// Sends the commands over the idle connection, or over new ones until one attempt counts.
    fn send_over(
        &self,
        mut idle: Option<OpenConnection>,
        commands: &[&Cmd],
        (timeouts, deadline): (Timeouts, Instant),
        mode: SendMode,
    ) -> Result<(OpenConnection, Vec<RedisResult<Reply>>)> {
        loop {
            let is_reused = idle.is_some();
            let error = match self.attempt(idle.take(), commands, timeouts, deadline) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if is_reused {
                // Connections that were idle beside a broken one are most likely broken too.
                self.pool.clear();
            }
            // A signal, or a connection that was closed while it was idle, is no failed attempt.
            let is_attempt = !is_interrupted(&error) && (!is_reused || error.is_timeout());
            if is_attempt || mode == SendMode::AtMostOnce || time_left(deadline).is_zero() {
                return Err(self.explain(&error, timeouts.connect.min(time_left(deadline))));
            }
        }
    }

    /// Makes one attempt, over the idle connection or over a new one.
    fn attempt(
        &self,
        idle: Option<OpenConnection>,
        commands: &[&Cmd],
        timeouts: Timeouts,
        deadline: Instant,
    ) -> RedisResult<(OpenConnection, Vec<RedisResult<Reply>>)> {
        let reply_timeout = timeouts.reply.min(time_left(deadline));
        let mut open = match idle {
            Some(open) => open,
            None => self.open(timeouts.connect.min(time_left(deadline)), reply_timeout)?,
        };
        set_reply_timeout(&mut open, reply_timeout)?;
        let replies = exchange(&mut open.connection, commands, deadline)?;
        Ok((open, replies))
    }

    pub(crate) fn pipeline(&self) -> PipelinedConnection<'_> {
        PipelinedConnection::new(self.pool.acquire())
    }

    pub(crate) fn map_error(&self, error: &RedisError) -> Error {
        Error::from_redis(&self.address.to_string(), error)
    }
}

/// Names the library for `CLIENT LIST`. Servers before Redis 7.2 do not know the command; their errors are ignored.
fn send_library_info(connection: &mut Connection) -> RedisResult<()> {
    let mut packed = Vec::new();
    for (attribute, value) in [("LIB-NAME", "rq-rs"), ("LIB-VER", env!("CARGO_PKG_VERSION"))] {
        redis::cmd("CLIENT").arg("SETINFO").arg(attribute).arg(value).write_packed_command(&mut packed);
    }
    connection.send_packed_command(&packed)?;
    (0..2).try_for_each(|_| connection.recv_response().map(drop))
}

fn set_reply_timeout(open: &mut OpenConnection, timeout: Duration) -> RedisResult<()> {
    if open.reply_timeout != timeout {
        // Zero would mean no limit.
        let limit = Some(timeout.max(Duration::from_millis(1)));
        open.connection.set_read_timeout(limit)?;
        open.connection.set_write_timeout(limit)?;
        open.reply_timeout = timeout;
    }
    Ok(())
}

fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Returns `true` if a signal interrupted the wait for a reply; the reply is lost with the connection.
fn is_interrupted(error: &RedisError) -> bool {
    io_error(error).is_some_and(|error| error.kind() == Io::Interrupted)
}

fn exchange(
    connection: &mut Connection,
    commands: &[&Cmd],
    deadline: Instant,
) -> RedisResult<Vec<RedisResult<Reply>>> {
    let mut packed = Vec::new();
    for command in commands {
        command.write_packed_command(&mut packed);
    }
    connection.send_packed_command(&packed)?;
    drop(packed); // frees a large payload before the wait
    let mut replies = Vec::with_capacity(commands.len());
    for n in 0..commands.len() {
        if n > 0 && time_left(deadline).is_zero() {
            return Err(std::io::Error::from(Io::TimedOut).into());
        }
        replies.push(connection.recv_response().map(Reply::extract_error)?);
    }
    Ok(replies)
}
