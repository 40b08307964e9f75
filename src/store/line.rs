//! Connections of one's own, for threads that block on the server.

use std::time::Duration;

use redis::RedisError;

use super::{Call, Reply};
use crate::error::Result;
use crate::redis::Redis;

/// How long a channel may be silent before it is asked whether anybody is there, and how soon it answers.
const ASK_WHETHER_IT_LIVES: Duration = Duration::from_secs(15);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A dedicated connection. It is dropped with any error: see `redis/connection.rs`.
pub(crate) struct Line<'a> {
    pub(super) redis: &'a Redis,
    pub(super) connection: redis::Connection,
}

impl Line<'_> {
    pub(crate) fn call(&mut self, call: &Call) -> Result<Reply> {
        call.cmd.query(&mut self.connection).map_err(|error| self.redis.meaning(&error))
    }

    /// Waits for one message on the channel, from the moment `subscribed` has returned true.
    pub(crate) fn listen(
        &mut self,
        channel: &str,
        wait: Duration,
        subscribed: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        let meaning = |error: RedisError| self.redis.meaning(&error);
        let mut pubsub = self.connection.as_pubsub();
        pubsub.subscribe(channel).map_err(meaning)?;
        if subscribed()? {
            pubsub.set_read_timeout(Some(wait)).map_err(meaning)?;
            match pubsub.get_message() {
                Err(error) if !error.is_timeout() => return Err(meaning(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Hears the messages of a channel for as long as `hear` returns true; with nothing to hear it is
    /// called every so often with `None`.
    pub(crate) fn messages(
        &mut self,
        channel: &str,
        every: Duration,
        mut hear: impl FnMut(Option<Vec<u8>>) -> bool,
    ) -> Result<()> {
        let meaning = |error: RedisError| self.redis.meaning(&error);
        let mut pubsub = self.connection.as_pubsub();
        pubsub.subscribe(channel).map_err(meaning)?;
        let mut silent = Duration::ZERO;
        loop {
            pubsub.set_read_timeout(Some(every)).map_err(meaning)?;
            let message = match pubsub.get_message() {
                Ok(message) => Some(message.get_payload_bytes().to_vec()),
                Err(error) if error.is_timeout() => None,
                Err(error) => return Err(meaning(error)),
            };
            silent = if message.is_some() { Duration::ZERO } else { silent + every };
            if silent > ASK_WHETHER_IT_LIVES {
                // A half-dead connection is silent too; this one is answered.
                pubsub.set_read_timeout(Some(ANSWER_WITHIN)).map_err(meaning)?;
                pubsub.subscribe(channel).map_err(meaning)?;
                silent = Duration::ZERO;
            }
            if !hear(message) {
                return Ok(());
            }
        }
    }
}
