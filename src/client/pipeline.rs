//! Commands that are sent before the replies to earlier ones have come.

use std::collections::VecDeque;

use super::{Client, RedisCommand, Reply};
use crate::error::Result;
use crate::redis::PipelinedConnection;

/// An open pipeline: commands run in the order in which they are sent. Each must be safe to repeat.
pub(crate) struct Pipeline<'a> {
    client: &'a Client,
    connection: PipelinedConnection<'a>,
    sent: VecDeque<RedisCommand>,
    /// Replies to commands that had to be repeated.
    repeated: VecDeque<Result<Reply>>,
}

impl<'a> Pipeline<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        let connection = client.redis.pipeline();
        Pipeline { client, connection, sent: VecDeque::new(), repeated: VecDeque::new() }
    }

    pub(crate) fn send(&mut self, command: RedisCommand) {
        self.connection.send(&command.cmd);
        self.sent.push_back(command);
    }

    /// Waits for the reply to the oldest command that has none yet; `None` when all have one. A command whose
    /// reply is an error or was lost is repeated with [`Client::call`]; so are the commands sent after it that
    /// went wrong too, before any new command is sent.
    pub(crate) fn reply(&mut self) -> Option<Result<Reply>> {
        if let Some(reply) = self.repeated.pop_front() {
            return Some(reply);
        }
        let command = self.sent.pop_front()?;
        if let Some(reply) = self.connection.reply() {
            return Some(Ok(reply));
        }
        let later: Vec<(RedisCommand, Option<Reply>)> =
            self.sent.drain(..).map(|command| (command, self.connection.reply())).collect();
        let first = self.client.call(&command);
        for (command, reply) in later {
            self.repeated.push_back(reply.map_or_else(|| self.client.call(&command), Ok));
        }
        Some(first)
    }
}
