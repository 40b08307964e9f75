//! The client: one deployment (a server, a key prefix, a dialect), and the only way to send commands to it.

mod command;
mod dedicated;
mod pipeline;
pub(crate) mod reply;
pub(crate) mod scripts;
#[cfg(test)]
pub(crate) mod test_server;

use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "cli")]
use chrono::{DateTime, Utc};
use redis::{Cmd, RedisError, RedisResult};

pub(crate) use self::command::{RedisCommand, now};
pub(crate) use self::dedicated::DedicatedConnection;
pub(crate) use self::pipeline::Pipeline;
use self::scripts::{ScriptCall, ScriptTexts};
use crate::dialect::{Dialect, DialectSpec, Keys, RqMetadata};
use crate::error::{Error, Result};
#[cfg(feature = "cli")]
use crate::job::from_unix_seconds;
pub(crate) use crate::redis::Reply;
use crate::redis::{Address, DEFAULT_TIMEOUT, Redis, SendMode, Timeouts};

/// A URL, and parameters that are added to its own.
pub(crate) type Url<'a> = (&'a str, &'a [(&'a str, &'a str)]);

/// A deployment: a server, a key prefix, a dialect. Clients of the same server share its connections.
pub(crate) struct Client {
    redis: Arc<Redis>,
    timeouts: Timeouts,
    pub(crate) keys: Keys,
    pub(crate) rq: RqMetadata,
    pub(crate) dialect: &'static DialectSpec,
    scripts: Arc<ScriptTexts>,
    /// The key prefix; `None` for the dialect's default.
    prefix: Option<String>,
}

impl Client {
    /// Connects once, so that a wrong address is found now. The environment variables `RQ_RS_DIALECT` and
    /// `RQ_KEY_PREFIX` choose dialect and key prefix.
    pub(crate) fn connect(url: &str) -> Result<Arc<Self>> {
        Self::connect_with_timeout((url, &[]), DEFAULT_TIMEOUT)
    }

    /// Connects as [`connect`](Self::connect) does, to a URL with more parameters; `timeout` limits each call, the first
    /// one included.
    pub(crate) fn connect_with_timeout(url: Url<'_>, timeout: Duration) -> Result<Arc<Self>> {
        let client = Self::lazy(url, Timeouts::within(timeout))?;
        client.call(&RedisCommand::new("PING"))?;
        Ok(client)
    }

    /// Does not connect before the first command, for programs that may start before their server.
    pub(crate) fn lazy((url, parameters): Url<'_>, timeouts: Timeouts) -> Result<Arc<Self>> {
        let dialect = Dialect::from_environment()?.spec();
        let prefix = std::env::var("RQ_KEY_PREFIX").ok().filter(|prefix| !prefix.is_empty());
        prefix.as_deref().map_or(Ok(()), check_prefix)?;
        Ok(Self::new(Arc::new(Redis::new(Address::parse(url, parameters)?)?), timeouts, dialect, prefix))
    }

    fn new(
        redis: Arc<Redis>,
        timeouts: Timeouts,
        dialect: &'static DialectSpec,
        prefix: Option<String>,
    ) -> Arc<Self> {
        let keys = Keys::new(prefix.as_deref().unwrap_or(dialect.prefix));
        let rq = RqMetadata::new(dialect, &keys);
        let scripts = Arc::new(ScriptTexts::new(dialect, &keys));
        Arc::new(Client { redis, timeouts, keys, rq, dialect, scripts, prefix })
    }

    /// Returns a client of the same server with another key prefix.
    pub(crate) fn with_prefix(&self, prefix: &str) -> Result<Arc<Self>> {
        check_prefix(prefix)?;
        Ok(Self::new(Arc::clone(&self.redis), self.timeouts, self.dialect, Some(prefix.to_owned())))
    }

    /// Returns a client of the same server in another dialect.
    pub(crate) fn with_dialect(&self, dialect: Dialect) -> Arc<Self> {
        Self::new(Arc::clone(&self.redis), self.timeouts, dialect.spec(), self.prefix.clone())
    }

    /// Returns a client of the same server and connections with other time limits.
    pub(crate) fn with_timeouts(&self, timeouts: Timeouts) -> Arc<Self> {
        Arc::new(Client {
            redis: Arc::clone(&self.redis),
            timeouts,
            keys: self.keys.clone(),
            rq: RqMetadata::new(self.dialect, &self.keys),
            dialect: self.dialect,
            scripts: Arc::clone(&self.scripts),
            prefix: self.prefix.clone(),
        })
    }

    /// Encodes a call of a script by its digest. The script is loaded and the call repeated if the server does not
    /// know the digest.
    pub(crate) fn evalsha(&self, call: &impl ScriptCall) -> RedisCommand {
        RedisCommand::evalsha(&self.scripts, call)
    }

    /// Encodes a call of a script by its text. Unlike [`evalsha`](Self::evalsha) it never has to be repeated, so it
    /// keeps its position among the commands of a pipeline.
    pub(crate) fn eval(&self, call: &impl ScriptCall) -> RedisCommand {
        RedisCommand::eval(&self.scripts, call)
    }

    /// Address of the server, without the password.
    pub(crate) fn address(&self) -> String {
        self.redis.address().to_string()
    }

    /// Sends one command at least once: a read, or a script that is safe to repeat. When the connection breaks, it is
    /// replaced and the command sent again, within the attempts and the total time of the client's timeouts.
    pub(crate) fn call(&self, command: &RedisCommand) -> Result<Reply> {
        let mut replies = self.call_all(std::slice::from_ref(command))?;
        replies.pop().unwrap_or(Ok(Reply::Nil))
    }

    /// Sends several commands in one round trip, all of them at least once, as [`call`](Self::call) does. The outer
    /// error is the connection's, the inner ones are the commands'.
    pub(crate) fn call_all(&self, commands: &[RedisCommand]) -> Result<Vec<Result<Reply>>> {
        let deadline = Instant::now() + self.timeouts.total;
        let mut attempts = 1;
        loop {
            let pause = Duration::from_millis(50 << (2 * attempts.min(5)));
            match self.send(commands, deadline, SendMode::AtLeastOnce) {
                Err(Error::Unreachable { .. })
                    if attempts < self.timeouts.attempts && Instant::now() + pause < deadline =>
                {
                    std::thread::sleep(pause);
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    /// Sends commands that are safe to repeat, but makes a single attempt. A pooled connection that the server had
    /// closed while it was idle is replaced; that does not count as an attempt.
    #[cfg(feature = "worker")]
    pub(crate) fn call_all_single_attempt(&self, commands: &[RedisCommand]) -> Result<Vec<Result<Reply>>> {
        self.send(commands, Instant::now() + self.timeouts.total, SendMode::AtLeastOnce)
    }

    /// Sends commands that must not run twice, in one round trip, at most once. After an error of the connection it is
    /// unknown which of them ran.
    pub(crate) fn call_all_at_most_once(&self, commands: &[RedisCommand]) -> Result<Vec<Result<Reply>>> {
        self.send(commands, Instant::now() + self.timeouts.total, SendMode::AtMostOnce)
    }

    fn send(
        &self,
        commands: &[RedisCommand],
        deadline: Instant,
        delivery: SendMode,
    ) -> Result<Vec<Result<Reply>>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let limits = (self.timeouts, deadline);
        let cmds: Vec<&Cmd> = commands.iter().map(|command| &command.cmd).collect();
        let mut replies = self.redis.send(&cmds, limits, delivery)?;
        for (command, reply) in commands.iter().zip(&mut replies) {
            if let (Some(script), Err(error)) = (command.script, &*reply)
                && is_noscript(error)
            {
                // The script did not run, so this call may be repeated. The other commands have run.
                let load = RedisCommand::new("SCRIPT").arg("LOAD").arg(self.scripts.text(script));
                let load_and_call = [&load.cmd, &command.cmd];
                *reply = self.redis.send(&load_and_call, limits, delivery)?.pop().unwrap_or(Ok(Reply::Nil));
            }
        }
        self.map_errors(replies, limits)
    }

    fn map_errors(
        &self,
        replies: Vec<RedisResult<Reply>>,
        limits: (Timeouts, Instant),
    ) -> Result<Vec<Result<Reply>>> {
        let map_error = |reply: RedisResult<Reply>| reply.map_err(|error| self.redis.map_error(&error));
        let replies: Vec<Result<Reply>> = replies.into_iter().map(map_error).collect();
        let is_unknown = |reply: &Result<Reply>| reply.as_ref().is_err_and(Error::is_unknown_command);
        if replies.iter().any(is_unknown) && self.is_sentinel(limits) {
            return Err(Error::sentinel(&self.address()));
        }
        Ok(replies)
    }

    /// Returns `true` if the server is a Sentinel. `ROLE` is one of the few commands that a Sentinel knows.
    fn is_sentinel(&self, limits: (Timeouts, Instant)) -> bool {
        let role = redis::cmd("ROLE");
        let reply =
            self.redis.send(&[&role], limits, SendMode::AtLeastOnce).ok().and_then(|mut all| all.pop());
        let Some(Ok(Reply::Array(parts))) = reply else { return false };
        matches!(parts.first(), Some(Reply::BulkString(role)) if role == b"sentinel")
    }

    /// Fetches the server's clock, in seconds since 1970.
    #[cfg(feature = "worker")]
    pub(crate) fn server_time(&self) -> Result<f64> {
        let time = reply::texts(self.call(&RedisCommand::new("TIME"))?)?;
        let number = |n: usize| time.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        Ok(number(0) + number(1) / 1e6)
    }

    /// Fetches the server's clock. A time that cannot be represented is 1970.
    #[cfg(feature = "cli")]
    pub(crate) fn server_now(&self) -> Result<DateTime<Utc>> {
        Ok(from_unix_seconds(self.server_time()?).unwrap_or_default())
    }

    /// Opens a connection outside the pool, for a thread whose commands block on the server for up to `block`.
    pub(crate) fn dedicated(&self, block: Duration) -> Result<DedicatedConnection<'_>> {
        Ok(DedicatedConnection { redis: &self.redis, connection: self.redis.connect(block, self.timeouts)? })
    }
}

fn is_noscript(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(redis::ServerErrorKind::NoScript)
}

/// Checks a key prefix by RQ's rule for `RQ_KEY_PREFIX`.
fn check_prefix(prefix: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:{}-".contains(c);
    if !prefix.is_empty() && prefix.len() <= 100 && prefix.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{prefix:?} cannot be a key prefix"),
        "1 to 100 characters of A-Z a-z 0-9 _ . : { } -",
    ))
}
