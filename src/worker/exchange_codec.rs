//! Encodes exchanges as commands of one pipeline, and decodes their replies.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::engine::{Exchange, Replies};
use super::options::Options;
use crate::claim::Claimer;
use crate::client::scripts::SetField;
use crate::client::{Client, RedisCommand, Reply};
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::finish;

/// Carries out the exchanges of one worker.
pub(super) struct ExchangeCodec {
    client: Arc<Client>,
    queues: Vec<QueueKeys>,
    claimer: Claimer,
}

/// An exchange as commands, and what is needed to decode the replies.
pub(super) struct EncodedExchange {
    commands: Vec<RedisCommand>,
    /// Number of the commands that write fields. They come first; the batches of completions follow.
    field_updates: usize,
    /// The time of the claim, if the last command is one.
    claimed_at: Option<DateTime<Utc>>,
}

impl ExchangeCodec {
    pub(super) fn new(client: &Arc<Client>, queues: &[QueueKeys], options: &Options) -> Self {
        let claimer = Claimer::new(client, queues, &options.name, options.lease());
        ExchangeCodec { client: Arc::clone(client), queues: queues.to_vec(), claimer }
    }

    pub(super) fn encode(&self, exchange: &Exchange) -> EncodedExchange {
        let (batch, client) = (&exchange.batch, &self.client);
        let mut commands = Vec::with_capacity(batch.field_updates.len() + 2);
        for (field, value) in &batch.field_updates {
            let job = client.keys.job(&field.id);
            // EVAL, not EVALSHA: if Redis had forgotten the script, the client would send the update again after the
            // completion that follows it, and the script would fence it.
            let execution = &field.execution;
            commands.push(client.eval(&SetField { job: &job, field: field.name, value, execution }));
        }
        for completions in finish::batches(&batch.completions) {
            commands.push(finish::encode(client, &self.queues, completions));
        }
        let claim = exchange.claim.as_ref();
        commands.extend(claim.map(|claim| self.claimer.encode(client, claim)));
        let claimed_at = claim.map(|claim| claim.claimed_at);
        EncodedExchange { commands, field_updates: batch.field_updates.len(), claimed_at }
    }

    /// Sends an exchange and waits for its replies. It is sent at most once, because claims must not be repeated.
    pub(super) fn send(&self, exchange: &EncodedExchange) -> Result<Replies> {
        let replies = self.client.call_all_at_most_once(&exchange.commands)?;
        Ok(self.decode(exchange, replies))
    }

    fn decode(&self, exchange: &EncodedExchange, mut replies: Vec<Result<Reply>>) -> Replies {
        let claim = exchange.claimed_at.map(|claimed_at| {
            let reply = replies.pop().unwrap_or_else(|| Err(Error::missing_reply()));
            reply.and_then(|reply| self.claimer.decode_reply(reply, claimed_at))
        });
        let mut replies = replies.into_iter();
        for reply in replies.by_ref().take(exchange.field_updates) {
            // The completion of a run does not wait for a rejected field.
            if let Err(error) = reply {
                log::warn!(target: "rq_rs", "a field of a job could not be written: {error}");
            }
        }
        let acks = replies.map(|reply| reply.and_then(finish::decode_acks)).collect();
        Replies { acks, claim }
    }
}
