//! Sending: decides when an exchange is due and which writes and claim it has. Writes that become ready while an
//! exchange is in flight go with the next one, so that batches grow with the load.

use super::{Action, Engine, Exchange, Now};
use crate::claim::ClaimRequest;

/// With at least this many slots, Redis works for some of them while the jobs of the others run: a claim is for
/// half of the slots at most, and a second exchange may follow the first.
const OVERLAP_MIN_SLOTS: usize = 16;

/// Exchanges in flight at a time: one that Redis works on, and the next one.
const MAX_EXCHANGES: usize = 2;

impl Engine {
    /// Returns `true` if the worker has enough slots for two exchanges at a time, for claims of half its slots, and
    /// for prefetching.
    pub(super) fn can_overlap_exchanges(&self) -> bool {
        self.config.options.concurrency >= OVERLAP_MIN_SLOTS
    }

    /// Number of completions, or of slots to claim for, that a second exchange is worth sending for.
    fn second_exchange_threshold(&self) -> usize {
        self.config.options.concurrency / 4
    }

    /// Returns `true` if an exchange is to be sent now: for anything while none is in flight, and for many
    /// completions or free slots beside another one.
    pub(super) fn should_send(&self, now: Now) -> bool {
        if !self.link.backoff.may_attempt(now.instant) {
            return false;
        }
        if self.link.is_idle() {
            return self.outbox.is_due() || self.claim_capacity() > 0;
        }
        self.can_send_second_exchange()
            && self.claim_capacity().max(self.outbox.due_completions()) >= self.second_exchange_threshold()
    }

    /// Two exchanges may overtake each other, so neither of them has field updates.
    fn can_send_second_exchange(&self) -> bool {
        let has_updates = |exchange: &Exchange| !exchange.batch.field_updates.is_empty();
        self.can_overlap_exchanges()
            && self.link.exchanges().len() < MAX_EXCHANGES
            && !self.outbox.has_field_updates()
            && !self.link.exchanges().iter().any(has_updates)
    }

    /// Number of runs that must end before there is something to send; `None` while nothing can be sent.
    pub(crate) fn ends_until_send(&self) -> Option<usize> {
        if self.link.is_idle() {
            return Some(1);
        }
        let ready = self.outbox.completions().len();
        self.can_send_second_exchange().then(|| self.second_exchange_threshold().saturating_sub(ready).max(1))
    }

    /// Number of jobs to claim now.
    pub(super) fn claim_capacity(&self) -> usize {
        let takes_no_jobs = self.life.is_stopping() || self.life.is_draining() || self.life.is_quiet;
        if !self.claims.is_ready() || takes_no_jobs {
            return 0;
        }
        let coming = self.link.claimed_slots() + self.runs.arrived.len();
        let options = &self.config.options;
        let left = options.max_jobs.map(|max| max.saturating_sub(self.claims.begun + coming as u64));
        let free = self.runs.slots.capacity(self.prefetch_limit()).saturating_sub(coming);
        // A worker with few slots claims for all of them: a round trip costs more than one of its jobs.
        let slots = options.concurrency;
        let max = if self.can_overlap_exchanges() { slots / 2 } else { slots };
        free.min(max).min(left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX)))
    }

    /// Sends the next exchange.
    pub(super) fn send(&mut self, now: Now) {
        // With few slots, a switch to another thread costs more than what there is to do meanwhile.
        let has_nothing_else = self.link.is_idle() && self.runs.is_empty() && self.runs.arrived.is_empty();
        let is_alone = has_nothing_else || !self.can_overlap_exchanges();
        let (claim, batch) = (self.next_claim(now), self.outbox.take_batch());
        let exchange = self.link.add(batch, claim, self.claims.wakeup_epoch, now.instant);
        self.actions.push_back(Action::Send { exchange, is_alone });
    }

    /// The claim of the next exchange: for free slots, or only to put ids back that watchers have popped.
    fn next_claim(&mut self, now: Now) -> Option<ClaimRequest> {
        let (slots, popped_ids) = (self.claim_capacity(), self.outbox.take_popped_ids());
        (slots > 0 || !popped_ids.is_empty()).then(|| ClaimRequest {
            slots,
            executions: self.claims.execution_ids.take(slots, || self.rng.u128(..)),
            claimed_at: now.utc,
            checks_keys: self.claims.take_key_check(now.utc),
            excluded_queues: self.claims.excluded_queues(),
            popped_ids,
        })
    }
}
