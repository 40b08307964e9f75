//! What waits to be sent. It stays here until Redis has answered.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::message::JobField;
use crate::claim::PoppedId;
use crate::client::scripts::SET_FIELD;
use crate::client::{Client, RedisCommand, Reply};
use crate::completion::Completion;
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::finish::{self, FinishAck};

/// How long endings wait that Redis has refused.
pub(crate) const RETRY_REFUSED: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Outbox {
    /// The latest value of each field.
    pub(crate) saves: HashMap<JobField, Vec<u8>>,
    pub(crate) endings: Vec<Completion>,
    /// Ids for the next claim, which starts them or puts them back.
    pub(crate) woken: Vec<PoppedId>,
    /// When endings that were refused are sent again. Their queue gives no jobs meanwhile.
    refused_until: Option<Instant>,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.saves.is_empty() && self.endings.is_empty() && self.woken.is_empty()
    }

    /// Whether there is something to send now.
    pub(crate) fn is_due(&self) -> bool {
        !self.saves.is_empty()
            || !self.woken.is_empty()
            || (!self.endings.is_empty() && self.retry_at().is_none())
    }

    /// When refused endings are due again, if they are not yet.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.refused_until.filter(|at| *at > Instant::now() && !self.endings.is_empty())
    }

    /// Takes out all that is there, to be sent: saves, then a finish for each queue. What a job saved is
    /// there when it ends, and a queue whose keys somebody has taken does not hold up the others.
    pub(crate) fn depart(&mut self, client: &Client, queues: &[QueueKeys]) -> (Batch, Vec<RedisCommand>) {
        let holds_back = self.retry_at().is_some();
        let mut batch = Batch {
            saves: std::mem::take(&mut self.saves),
            endings: if holds_back { Vec::new() } else { std::mem::take(&mut self.endings) },
            woken: std::mem::take(&mut self.woken),
        };
        let mut calls = Vec::with_capacity(batch.saves.len() + 2);
        for (field, value) in &batch.saves {
            let job = client.keys.job(&field.id);
            // Had Redis forgotten the script, a save would come after the end of its job, and be refused.
            calls.push(
                RedisCommand::eval(&SET_FIELD, &[&job]).arg(field.name).arg(value).arg(&field.execution),
            );
        }
        finish::sort_for_batches(&mut batch.endings);
        for endings in finish::batches(&batch.endings) {
            calls.push(finish::encode(client, queues, endings));
        }
        (batch, calls)
    }

    /// It could not be sent, or nobody knows: it waits for the next time, before what came later.
    pub(crate) fn take_back(&mut self, batch: Batch) {
        for (field, value) in batch.saves {
            self.saves.entry(field).or_insert(value);
        }
        self.endings.splice(0..0, batch.endings);
        self.woken.splice(0..0, batch.woken);
    }

    /// Reads the answers to those calls. Endings that were not taken stay for the next time.
    pub(crate) fn read(
        &mut self,
        batch: Batch,
        answers: &mut impl Iterator<Item = Result<Reply>>,
    ) -> (Vec<(Completion, FinishAck)>, Option<Error>) {
        for _ in batch.saves {
            // A save that is refused is no reason to hold up the end of a job.
            if let Some(Err(error)) = answers.next() {
                log::warn!(target: "rq_rs", "a field of a job could not be written: {error}");
            }
        }
        let (mut done, mut refusal) = (Vec::new(), None);
        let is_sent = !batch.endings.is_empty();
        let sizes: Vec<usize> = finish::batches(&batch.endings).map(<[Completion]>::len).collect();
        let mut endings = batch.endings.into_iter();
        for size in sizes {
            let sent = endings.by_ref().take(size);
            let answer = answers.next().unwrap_or_else(|| Err(no_answer()));
            match answer.and_then(finish::decode_acks) {
                Ok(receipts) if receipts.len() == size => done.extend(sent.zip(receipts)),
                refused => {
                    self.endings.extend(sent);
                    refusal = Some(refused.err().unwrap_or_else(no_answer));
                }
            }
        }
        if is_sent {
            self.refused_until = refusal.is_some().then(|| Instant::now() + RETRY_REFUSED);
        }
        (done, refusal)
    }
}

/// What is on its way to Redis.
pub(crate) struct Batch {
    saves: HashMap<JobField, Vec<u8>>,
    endings: Vec<Completion>,
    pub(crate) woken: Vec<PoppedId>,
}

impl Batch {
    /// Whether all of it is one call that ends runs.
    pub(crate) fn is_one_finish(&self) -> bool {
        self.saves.is_empty() && finish::batches(&self.endings).count() == 1
    }

    pub(crate) fn saves_something(&self) -> bool {
        !self.saves.is_empty()
    }
}

pub(crate) fn no_answer() -> Error {
    Error::Corrupt { what: "an empty reply of Redis".to_owned() }
}
