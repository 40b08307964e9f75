//! The outbox keeps writes until Redis has acknowledged them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::message::JobField;
use crate::claim::PoppedId;
use crate::client::scripts::SET_FIELD;
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::completion::Completion;
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::finish::{self, FinishAck};

/// Delay before rejected completions are sent again: those that Redis has answered with an error.
pub(crate) const REJECTED_RETRY_DELAY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Outbox {
    /// The latest value of each field.
    pub(crate) field_updates: HashMap<JobField, Vec<u8>>,
    pub(crate) completions: Vec<Completion>,
    /// Ids for the next claim, which claims their jobs or puts the ids back into their queues.
    pub(crate) popped_ids: Vec<PoppedId>,
    /// The moment at which rejected completions are sent again. Completions of all queues wait until then.
    retry_after: Option<Instant>,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.field_updates.is_empty() && self.completions.is_empty() && self.popped_ids.is_empty()
    }

    /// Returns `true` if there is something to send now.
    pub(crate) fn is_due(&self) -> bool {
        !self.field_updates.is_empty()
            || !self.popped_ids.is_empty()
            || (!self.completions.is_empty() && self.retry_at().is_none())
    }

    /// The moment, still to come, at which rejected completions are sent again.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_after.filter(|at| *at > Instant::now() && !self.completions.is_empty())
    }

    /// Removes and returns everything that may be sent now. The field updates come before the completions, so that
    /// the fields are written before their runs end. Each queue has its own `finish`, so that a queue with a key of a
    /// wrong type does not hold up the others.
    pub(crate) fn take_batch(&mut self, client: &Client, queues: &[QueueKeys]) -> (Batch, Vec<RedisCommand>) {
        let must_wait = self.retry_at().is_some();
        let mut batch = Batch {
            field_updates: std::mem::take(&mut self.field_updates),
            completions: if must_wait { Vec::new() } else { std::mem::take(&mut self.completions) },
            popped_ids: std::mem::take(&mut self.popped_ids),
        };
        let mut commands = Vec::with_capacity(batch.field_updates.len() + 2);
        for (field, value) in &batch.field_updates {
            let job = client.keys.job(&field.id);
            // EVAL, not EVALSHA: if Redis had forgotten the script, the client would send the update again after the
            // completion that follows it, and the script would fence it.
            let command = RedisCommand::eval(&SET_FIELD, &[&job]);
            commands.push(command.arg(field.name).arg(value).arg(&field.execution));
        }
        finish::sort_for_batches(&mut batch.completions);
        for completions in finish::batches(&batch.completions) {
            commands.push(finish::encode(client, queues, completions));
        }
        (batch, commands)
    }

    /// Puts the writes of a batch that got no reply back, in front of writes that were added later. A newer value of a
    /// field stays.
    pub(crate) fn restore(&mut self, batch: Batch) {
        for (field, value) in batch.field_updates {
            self.field_updates.entry(field).or_insert(value);
        }
        self.completions.splice(0..0, batch.completions);
        self.popped_ids.splice(0..0, batch.popped_ids);
    }

    /// Reads the replies to the commands of a batch. Returns the acknowledged completions, and the last error
    /// that Redis gave for others: these rejected completions wait in the outbox again.
    pub(crate) fn read_replies(
        &mut self,
        batch: Batch,
        replies: &mut impl Iterator<Item = Result<Reply>>,
    ) -> (Vec<(Completion, FinishAck)>, Option<Error>) {
        for _ in batch.field_updates {
            // The completion of a run does not wait for a rejected field.
            if let Some(Err(error)) = replies.next() {
                log::warn!(target: "rq_rs", "a field of a job could not be written: {error}");
            }
        }
        self.read_acks(batch.completions, replies)
    }

    fn read_acks(
        &mut self,
        sent: Vec<Completion>,
        replies: &mut impl Iterator<Item = Result<Reply>>,
    ) -> (Vec<(Completion, FinishAck)>, Option<Error>) {
        let (mut acknowledged, mut rejection) = (Vec::new(), None);
        let is_empty = sent.is_empty();
        let sizes: Vec<usize> = finish::batches(&sent).map(<[Completion]>::len).collect();
        let mut sent = sent.into_iter();
        for size in sizes {
            let completions = sent.by_ref().take(size);
            let reply = replies.next().unwrap_or_else(|| Err(reply::missing()));
            match reply.and_then(finish::decode_acks) {
                Ok(acks) if acks.len() == size => acknowledged.extend(completions.zip(acks)),
                rejected => {
                    self.completions.extend(completions);
                    rejection = Some(rejected.err().unwrap_or_else(reply::missing));
                }
            }
        }
        if !is_empty {
            self.retry_after = rejection.is_some().then(|| Instant::now() + REJECTED_RETRY_DELAY);
        }
        (acknowledged, rejection)
    }
}

/// Writes in flight.
pub(crate) struct Batch {
    field_updates: HashMap<JobField, Vec<u8>>,
    completions: Vec<Completion>,
    pub(crate) popped_ids: Vec<PoppedId>,
}

impl Batch {
    pub(crate) fn has_field_updates(&self) -> bool {
        !self.field_updates.is_empty()
    }
}
