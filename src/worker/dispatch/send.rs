//! Sending: decides when an exchange is due and which writes and claim it has. Writes that become ready while an
//! exchange is in flight go with the next one, so that batches grow with the load.

use std::time::Instant;

use chrono::{DateTime, Utc};

use super::dispatcher::random_bits;
use super::dispatcher::{ClaimState, Dispatcher, WorkerShared};
use super::exchange::Exchange;
use crate::claim::ClaimRequest;
use crate::client::RedisCommand;
use crate::error::Result;
use crate::worker::message::ExchangeId;

/// With at least this many slots, Redis works for some of them while the jobs of the others run: a claim is for
/// half of the slots at most, and a second exchange may follow the first.
const OVERLAP_MIN_SLOTS: usize = 16;

/// Exchanges in flight at a time: one that Redis works on, and the next one.
const MAX_EXCHANGES: usize = 2;

impl Dispatcher {
    /// Returns `true` if the worker has enough slots for two exchanges at a time, for claims of half its slots, and
    /// for prefetching.
    pub(super) fn can_overlap_exchanges(&self) -> bool {
        self.worker.options.concurrency >= OVERLAP_MIN_SLOTS
    }

    /// Number of completions, or of slots to claim for, that a second exchange is worth sending for.
    fn second_exchange_threshold(&self) -> usize {
        self.worker.options.concurrency / 4
    }

    /// Returns `true` if an exchange is to be sent now: for anything while none is in flight, and for many
    /// completions or free slots beside another one.
    pub(super) fn should_send(&self) -> bool {
        let completions = if self.outbox.retry_at().is_none() { self.outbox.completions.len() } else { 0 };
        self.backoff.may_attempt()
            && match self.exchanges.as_slice() {
                [] => self.outbox.is_due() || self.claim_capacity() > 0,
                _ => {
                    self.can_send_second_exchange()
                        && self.claim_capacity().max(completions) >= self.second_exchange_threshold()
                }
            }
    }

    /// Two exchanges may overtake each other, so neither of them has field updates.
    fn can_send_second_exchange(&self) -> bool {
        let has_updates = |exchange: &Exchange| exchange.batch.has_field_updates();
        self.can_overlap_exchanges()
            && self.exchanges.len() < MAX_EXCHANGES
            && self.outbox.field_updates.is_empty()
            && !self.exchanges.iter().any(has_updates)
    }

    /// Number of runs that must end before there is something to send; `None` while nothing can be sent.
    pub(super) fn completions_until_send(&self) -> Option<usize> {
        match self.exchanges.as_slice() {
            [] => Some(1),
            _ if !self.can_send_second_exchange() => None,
            _ => {
                let ready = self.outbox.completions.len();
                Some(self.second_exchange_threshold().saturating_sub(ready).max(1))
            }
        }
    }

    /// Number of jobs to claim now.
    pub(super) fn claim_capacity(&self) -> usize {
        if self.claim_state != ClaimState::Ready || self.is_draining() || self.is_quiet {
            return 0;
        }
        let claims = self.exchanges.iter().filter_map(|exchange| exchange.claim.as_ref());
        let coming = claims.map(|claim| claim.slots).sum::<usize>() + self.arrived.len();
        let options = &self.worker.options;
        let left = options.max_jobs.map(|max| max.saturating_sub(self.runs_begun + coming as u64));
        let free = self.pool.capacity(self.prefetch_limit()).saturating_sub(coming);
        // A worker with few slots claims for all of them: a round trip costs more than one of its jobs.
        let slots = options.concurrency;
        let max = if self.can_overlap_exchanges() { slots / 2 } else { slots };
        free.min(max).min(left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX)))
    }

    pub(super) fn send_exchanges(&mut self) -> Result<()> {
        while self.should_send() {
            let (exchange, commands) = self.take_next_exchange();
            let id = exchange.id;
            let has_nothing_else =
                self.exchanges.is_empty() && self.runs.is_empty() && self.arrived.is_empty();
            self.exchanges.push(exchange);
            if has_nothing_else || !self.can_overlap_exchanges() {
                // There is nothing to do meanwhile, or so little that a switch to another thread costs more.
                let replies = self.worker.client.call_all_at_most_once(&commands);
                return self.on_reply(id, replies);
            }
            self.io_threads.send(id, commands);
        }
        Ok(())
    }

    fn take_next_exchange(&mut self) -> (Exchange, Vec<RedisCommand>) {
        let (slots, claimed_at) = (self.claim_capacity(), Utc::now());
        let WorkerShared { client, queues, .. } = &self.worker;
        let (mut batch, mut commands) = self.outbox.take_batch(client, queues);
        let has_claim = slots > 0 || !batch.popped_ids.is_empty();
        let popped_ids = std::mem::take(&mut batch.popped_ids);
        let claim = has_claim.then(|| ClaimRequest {
            slots,
            executions: self.execution_ids.take(slots, random_bits),
            claimed_at,
            checks_keys: is_key_check_due(&mut self.keys_checked_at, claimed_at),
            excluded_queues: self.queues_at_limit.keys().copied().collect(),
            popped_ids,
        });
        commands.extend(claim.as_ref().map(|claim| self.claimer.encode(client, claim)));
        let id = ExchangeId(self.next_exchange);
        self.next_exchange += 1;
        let (wakeup_epoch, failure_epoch) = (self.wakeup_epoch, self.failure_epoch);
        let sent_at = Instant::now();
        (Exchange { id, batch, claim, wakeup_epoch, failure_epoch, sent_at }, commands)
    }
}

/// Types are checked once a second: another program takes a key rarely, and a check costs as much as a job.
fn is_key_check_due(checked_at: &mut Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let is_due = checked_at.is_none_or(|at| (now - at).num_seconds() != 0);
    if is_due {
        *checked_at = Some(now);
    }
    is_due
}
