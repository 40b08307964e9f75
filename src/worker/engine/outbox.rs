//! The outbox keeps writes until Redis has acknowledged them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::claim::PoppedId;
use crate::completion::Completion;
use crate::error::{Error, Result};
use crate::finish::{self, FinishAck};
use crate::worker::run::JobField;

/// Delay before rejected completions are sent again: those that Redis has answered with an error.
pub(super) const REJECTED_RETRY_DELAY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Outbox {
    /// The latest value of each field.
    field_updates: BTreeMap<JobField, Vec<u8>>,
    completions: Vec<Completion>,
    /// Ids for the next claim, which claims their jobs or puts the ids back into their queues.
    popped_ids: Vec<PoppedId>,
    /// The moment at which rejected completions are sent again. Completions of all queues wait until then.
    retry_at: Option<Instant>,
}

impl Outbox {
    pub(super) fn add_field_update(&mut self, field: JobField, value: Vec<u8>) {
        self.field_updates.insert(field, value);
    }

    pub(super) fn add_completion(&mut self, completion: Completion) {
        self.completions.push(completion);
    }

    pub(super) fn add_popped_id(&mut self, popped: PoppedId) {
        self.popped_ids.push(popped);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.field_updates.is_empty() && self.completions.is_empty() && self.popped_ids.is_empty()
    }

    pub(super) fn has_field_updates(&self) -> bool {
        !self.field_updates.is_empty()
    }

    /// The completions that no exchange in flight has.
    pub(super) fn completions(&self) -> &[Completion] {
        &self.completions
    }

    /// Number of completions that may be sent now.
    pub(super) fn due_completions(&self) -> usize {
        if self.retry_at.is_none() { self.completions.len() } else { 0 }
    }

    /// Returns `true` if there is something to send now.
    pub(super) fn is_due(&self) -> bool {
        self.has_field_updates() || !self.popped_ids.is_empty() || self.due_completions() > 0
    }

    /// The moment at which rejected completions are sent again.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.retry_at.filter(|_| !self.completions.is_empty())
    }

    /// Allows rejected completions again whose delay is over.
    pub(super) fn check_delay(&mut self, now: Instant) {
        self.retry_at = self.retry_at.filter(|at| *at > now);
    }

    /// Removes and returns the writes that may be sent now. The field updates come before the completions, so that
    /// the fields are written before their runs end.
    pub(super) fn take_batch(&mut self) -> Batch {
        let must_wait = self.retry_at.is_some();
        let mut completions = if must_wait { Vec::new() } else { std::mem::take(&mut self.completions) };
        finish::sort_for_batches(&mut completions);
        Batch { field_updates: std::mem::take(&mut self.field_updates), completions }
    }

    /// Removes and returns the ids for the next claim.
    pub(super) fn take_popped_ids(&mut self) -> Vec<PoppedId> {
        std::mem::take(&mut self.popped_ids)
    }

    /// Puts the writes of a batch that got no reply back, in front of writes that were added later. A newer value of a
    /// field stays.
    pub(super) fn restore(&mut self, batch: Batch) {
        for (field, value) in batch.field_updates {
            self.field_updates.entry(field).or_insert(value);
        }
        self.completions.splice(0..0, batch.completions);
    }

    /// Puts the ids of a claim back that got no reply, or an error.
    pub(super) fn restore_popped_ids(&mut self, popped_ids: Vec<PoppedId>) {
        self.popped_ids.splice(0..0, popped_ids);
    }

    /// Reads the replies to the completions of a batch. Returns the acknowledged completions, and the last error that
    /// Redis gave for others: these rejected completions wait in the outbox again.
    pub(super) fn read_acks(
        &mut self,
        batch: Batch,
        replies: Vec<Result<Vec<FinishAck>>>,
        now: Instant,
    ) -> (Vec<(Completion, FinishAck)>, Option<Error>) {
        if batch.completions.is_empty() {
            return (Vec::new(), None);
        }
        let (mut acknowledged, mut rejection) = (Vec::new(), None);
        let sizes: Vec<usize> = finish::batches(&batch.completions).map(<[Completion]>::len).collect();
        let (mut sent, mut replies) = (batch.completions.into_iter(), replies.into_iter());
        for size in sizes {
            let completions = sent.by_ref().take(size);
            match replies.next().unwrap_or_else(|| Err(Error::missing_reply())) {
                Ok(acks) if acks.len() == size => acknowledged.extend(completions.zip(acks)),
                rejected => {
                    self.completions.extend(completions);
                    rejection = Some(rejected.err().unwrap_or_else(Error::missing_reply));
                }
            }
        }
        self.retry_at = rejection.is_some().then(|| now + REJECTED_RETRY_DELAY);
        (acknowledged, rejection)
    }
}

/// Writes in flight.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) field_updates: BTreeMap<JobField, Vec<u8>>,
    /// Sorted for [`finish::batches`]. Each queue has its own call of `finish`, so that a queue with a key of a wrong
    /// type does not hold up the others.
    pub(crate) completions: Vec<Completion>,
}
