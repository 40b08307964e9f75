//! Connections. One rule: after any I/O error a connection is dropped, never used again,
//! because the reply that was missed may have moved a job.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, Connection, ErrorKind, RedisError, RedisResult, ServerErrorKind};

use super::Address;
use crate::error::{Error, Result};

/// One reply as it came.
pub(crate) type Reply = redis::Value;

/// How long connecting, and any command that does not block, may take; and how often a call that may be repeated
/// is tried when the connection breaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    pub(crate) answer: Duration,
    pub(crate) tries: u32,
}

impl Patience {
    /// For work: what is lost by giving up is worth waiting for.
    pub(crate) const WORK: Self =
        Patience { connect: Duration::from_secs(5), answer: Duration::from_secs(10), tries: 3 };
    /// For eyes: whoever looks asks again.
    #[cfg(any(feature = "dashboard", feature = "top"))]
    pub(crate) const EYES: Self =
        Patience { connect: Duration::from_secs(2), answer: Duration::from_secs(3), tries: 1 };
}

/// Idle connections kept for the next caller; more are closed.
const KEEP_IDLE: usize = 8;

/// A server and the idle connections to it. Shared by threads: each call borrows a connection.
pub(crate) struct Redis {
    client: redis::Client,
    address: Address,
    patience: Patience,
    idle: Mutex<Vec<Connection>>,
}

impl Redis {
    /// Does not connect yet.
    pub(crate) fn new(address: Address, patience: Patience) -> Result<Self> {
        let client = redis::Client::open(address.info().clone())
            .map_err(|error| Error::from_redis(&address.to_string(), &error))?;
        Ok(Redis { client, address, patience, idle: Mutex::new(Vec::new()) })
    }

    pub(crate) fn patience(&self) -> Patience {
        self.patience
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// A connection of one's own, for a thread that blocks on the server up to `block`.
    pub(crate) fn connect(&self, block: Duration) -> Result<Connection> {
        self.open(block).map_err(|error| self.meaning(&error))
    }

    fn open(&self, block: Duration) -> RedisResult<Connection> {
        let connection = self.client.get_connection_with_timeout(self.patience.connect)?;
        // Longer than the block, so that a time-out means a silent server and not an empty queue.
        connection.set_read_timeout(Some(block + self.patience.answer))?;
        connection.set_write_timeout(Some(self.patience.answer))?;
        Ok(connection)
    }

    /// Sends the commands in one go. The outer result is the connection's, the inner ones are
    /// the server's, one for each command.
    pub(crate) fn send(&self, commands: &[&Cmd]) -> Result<Vec<RedisResult<Reply>>> {
        let (mut connection, reused) = match self.lock().pop() {
            Some(connection) => (connection, true),
            None => (self.connect(Duration::ZERO)?, false),
        };
        match exchange(&mut connection, commands) {
            Ok(replies) if replies.iter().any(is_demoted) => {
                // The address may lead to the new primary by now.
                self.lock().clear();
                Ok(replies)
            }
            Ok(replies) => {
                self.keep(connection);
                Ok(replies)
            }
            Err(error) => {
                // What was idle beside a broken connection is most likely broken too.
                if reused {
                    self.lock().clear();
                }
                Err(self.meaning(&error))
            }
        }
    }

    /// A connection for commands that are sent before the answers to earlier ones have come.
    pub(crate) fn stream(&self) -> Stream<'_> {
        Stream { redis: self, connection: self.lock().pop(), awaited: 0 }
    }

    pub(crate) fn meaning(&self, error: &RedisError) -> Error {
        Error::from_redis(&self.address.to_string(), error)
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.lock();
        if idle.len() < KEEP_IDLE {
            idle.push(connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commands on one connection, in order. They must be such that may be repeated: when one is refused its answer
/// is `None`, and those behind it are carried out all the same; when the connection breaks, all are `None` from
/// there on, and what was sent may have been carried out.
pub(crate) struct Stream<'a> {
    redis: &'a Redis,
    connection: Option<Connection>,
    awaited: usize,
}

impl Stream<'_> {
    pub(crate) fn send(&mut self, command: &Cmd) {
        self.awaited += 1;
        self.connection = self.connection.take().and_then(|mut connection| {
            connection.send_packed_command(&command.get_packed_command()).ok()?;
            Some(connection)
        });
    }

    pub(crate) fn answer(&mut self) -> Option<Reply> {
        self.awaited -= 1;
        let mut connection = self.connection.take()?;
        let reply = connection.recv_response().ok()?;
        self.connection = Some(connection);
        Some(reply).filter(|reply| !matches!(reply, Reply::ServerError(_)))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        // One that still has answers to give would give them to somebody else.
        if self.awaited == 0
            && let Some(connection) = self.connection.take()
        {
            self.redis.keep(connection);
        }
    }
}

fn exchange(connection: &mut Connection, commands: &[&Cmd]) -> RedisResult<Vec<RedisResult<Reply>>> {
    let mut packed = Vec::new();
    for command in commands {
        command.write_packed_command(&mut packed);
    }
    connection.send_packed_command(&packed)?;
    drop(packed); // a large payload need not be there twice
    commands.iter().map(|_| connection.recv_response().map(Reply::extract_error)).collect()
}

/// Whether the server has turned into a replica.
fn is_demoted(reply: &RedisResult<Reply>) -> bool {
    let kinds = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown];
    matches!(reply, Err(error) if kinds.iter().any(|kind| error.kind() == ErrorKind::Server(*kind)))
}
