//! A connection of its own for a thread that blocks on the server, and the pub/sub built on it.

use std::time::Duration;

use redis::RedisError;

use super::command::RedisCommand;
use crate::error::Result;
use crate::redis::Redis;
use crate::redis::Reply;

/// A channel that is silent for longer is probed: a half-dead connection is silent too.
const PROBE_AFTER: Duration = Duration::from_secs(15);
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection outside the pool. After any error it is dropped, not used again: see `redis/connection.rs`.
pub(crate) struct DedicatedConnection<'a> {
    pub(super) redis: &'a Redis,
    pub(super) connection: redis::Connection,
}

impl DedicatedConnection<'_> {
    /// Sends one command, which may block for the time that was given to
    /// [`Client::dedicated`](super::Client::dedicated).
    pub(crate) fn call(&mut self, command: &RedisCommand) -> Result<Reply> {
        command.cmd.query(&mut self.connection).map_err(|error| self.redis.map_error(&error))
    }

    /// Subscribes to the channel, and waits up to `timeout` for one message if `should_wait`, called once the
    /// subscription stands, returns true.
    pub(crate) fn wait_for_message(
        &mut self,
        channel: &str,
        timeout: Duration,
        should_wait: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        let map_error = |error: RedisError| self.redis.map_error(&error);
        let mut pubsub = self.connection.as_pubsub();
        pubsub.subscribe(channel).map_err(map_error)?;
        if should_wait()? {
            pubsub.set_read_timeout(Some(timeout)).map_err(map_error)?;
            match pubsub.get_message() {
                Err(error) if !error.is_timeout() => return Err(map_error(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Subscribes to the channel and passes each message to `on_message`, or `None` after each `interval` without
    /// one, until it returns false.
    pub(crate) fn subscribe_loop(
        &mut self,
        channel: &str,
        interval: Duration,
        mut on_message: impl FnMut(Option<Vec<u8>>) -> bool,
    ) -> Result<()> {
        let map_error = |error: RedisError| self.redis.map_error(&error);
        let mut pubsub = self.connection.as_pubsub();
        pubsub.subscribe(channel).map_err(map_error)?;
        let mut silence = Duration::ZERO;
        loop {
            pubsub.set_read_timeout(Some(interval)).map_err(map_error)?;
            let message = match pubsub.get_message() {
                Ok(message) => Some(message.get_payload_bytes().to_vec()),
                Err(error) if error.is_timeout() => None,
                Err(error) => return Err(map_error(error)),
            };
            silence = if message.is_some() { Duration::ZERO } else { silence + interval };
            if silence > PROBE_AFTER {
                // A repeated subscription changes nothing, and a live server confirms it.
                pubsub.set_read_timeout(Some(PROBE_TIMEOUT)).map_err(map_error)?;
                pubsub.subscribe(channel).map_err(map_error)?;
                silence = Duration::ZERO;
            }
            if !on_message(message) {
                return Ok(());
            }
        }
    }
}
