//! What waits to be sent. It stays here until Redis has answered.

use std::collections::HashMap;

use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::fetch::Woken;
use crate::finish::{self, Ending, Receipt};
use crate::store::{Call, Reply, SAVE, Store};

#[derive(Default)]
pub(crate) struct Outbox {
    /// The latest value of a job's field.
    pub(crate) saves: HashMap<(String, &'static str), String>,
    pub(crate) endings: Vec<Ending>,
    /// Ids for the next claim, which starts them or puts them back.
    pub(crate) woken: Vec<Woken>,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.saves.is_empty() && self.endings.is_empty() && self.woken.is_empty()
    }

    /// Saves, then one finish for all that have ended: what a job saved is there when it ends.
    pub(crate) fn calls(&self, store: &Store, queues: &[QueueKeys]) -> Vec<Call> {
        let mut calls = Vec::with_capacity(self.saves.len() + 2);
        for ((id, field), value) in &self.saves {
            calls.push(Call::script(&SAVE, &[&store.keys.job(id)]).arg(*field).arg(value));
        }
        if !self.endings.is_empty() {
            calls.push(finish::call(store, queues, &self.endings));
        }
        calls
    }

    /// Reads the answers to those calls. Endings that were not taken stay for the next time.
    pub(crate) fn read(
        &mut self,
        answers: &mut impl Iterator<Item = Result<Reply>>,
    ) -> Result<Vec<(Ending, Receipt)>> {
        for _ in self.saves.drain() {
            // A save that is refused is no reason to hold up the end of a job.
            if let Some(Err(error)) = answers.next() {
                log::warn!(target: "rq_rs", "a field of a job could not be written: {error}");
            }
        }
        if self.endings.is_empty() {
            return Ok(Vec::new());
        }
        let answer = answers
            .next()
            .unwrap_or_else(|| Err(Error::Corrupt { what: "an empty reply of Redis".to_owned() }));
        let receipts = finish::read(answer?)?;
        Ok(std::mem::take(&mut self.endings).into_iter().zip(receipts).collect())
    }
}
