//! Exchanges with Redis: when one is sent, what it contains, and what its replies mean. What becomes ready while an
//! exchange is in flight goes with the next one, so that batches grow with the load.

use std::time::Instant;

use chrono::Utc;

use super::dispatcher::{ClaimState, Dispatcher, WorkerContext};
use super::exchange::{Exchange, SentClaim};
use crate::claim::{Claimer, PoppedId};
use crate::client::scripts::FINISH_AND_CLAIM;
use crate::client::{RedisCommand, Reply, reply};
use crate::completion::Completion;
use crate::error::{Error, Result};
use crate::finish::FinishAck;
use crate::worker::event::Event;
use crate::worker::message::ExchangeId;

/// With at least this many slots, Redis works for some of them while the jobs of the others run: a claim is for
/// half of the slots at most, and a second exchange may follow the first.
const PIPELINE_MIN_SLOTS: usize = 16;

/// Exchanges in flight at a time: one that Redis works on, and the next one.
const MAX_EXCHANGES: usize = 2;

impl Dispatcher {
    pub(super) fn is_pipelined(&self) -> bool {
        self.worker.options.concurrency >= PIPELINE_MIN_SLOTS
    }

    /// Number of completions, or of slots to claim for, that a second exchange is worth sending for.
    fn second_exchange_threshold(&self) -> usize {
        self.worker.options.concurrency / 4
    }

    /// Returns whether an exchange is to be sent now: for anything while none is in flight, and for many
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
        self.is_pipelined()
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
        let coming = claims.map(|claim| claim.slots).sum::<usize>() + self.undecoded.len();
        let options = &self.worker.options;
        let left = options.max_jobs.map(|most| most.saturating_sub(self.started + coming as u64));
        let free = self.pool.capacity(self.prefetch_limit()).saturating_sub(coming);
        // A worker with few slots claims for all of them: a round trip costs more than one of its jobs.
        let slots = options.concurrency;
        let most = if self.is_pipelined() { slots / 2 } else { slots };
        free.min(most).min(left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX)))
    }

    pub(super) fn send_exchanges(&mut self) -> Result<()> {
        while self.should_send() {
            let (exchange, commands) = self.take_next_exchange();
            let id = exchange.id;
            let has_nothing_else =
                self.exchanges.is_empty() && self.runs.is_empty() && self.undecoded.is_empty();
            self.exchanges.push(exchange);
            if has_nothing_else || !self.is_pipelined() {
                // There is nothing to do meanwhile, or so little that a switch to another thread costs more.
                let replies = self.worker.client.pipeline_once(&commands);
                return self.on_reply(id, replies);
            }
            self.io_threads.send(id, commands);
        }
        Ok(())
    }

    fn take_next_exchange(&mut self) -> (Exchange, Vec<RedisCommand>) {
        let (slots, claimed_at) = (self.claim_capacity(), Utc::now());
        let WorkerContext { client, queues, .. } = &self.worker;
        let (batch, mut commands) = self.outbox.take_batch(client, queues);
        let claim = (slots > 0 || !batch.popped_ids.is_empty()).then(|| SentClaim {
            slots,
            executions: self.claimer.next_executions(slots),
            claimed_at,
        });
        if claim.is_some() {
            let queues = (self.queues_at_limit.keys(), batch.popped_ids.as_slice());
            commands.push(self.claimer.encode(client, slots, queues, claimed_at));
        }
        let is_combined = batch.is_one_finish() && claim.is_some();
        if is_combined {
            commands = vec![RedisCommand::both(&FINISH_AND_CLAIM, &commands[0], &commands[1])];
        }
        let id = ExchangeId(self.next_exchange);
        self.next_exchange += 1;
        let (wakeup_epoch, failure_epoch) = (self.wakeup_epoch, self.failure_epoch);
        let sent_at = Instant::now();
        (Exchange { id, batch, claim, is_combined, wakeup_epoch, failure_epoch, sent_at }, commands)
    }

    pub(super) fn on_reply(&mut self, id: ExchangeId, replies: Result<Vec<Result<Reply>>>) -> Result<()> {
        self.io_threads.release(id);
        let Some(at) = self.exchanges.iter().position(|exchange| exchange.id == id) else { return Ok(()) };
        let exchange = self.exchanges.remove(at);
        match replies {
            Ok(replies) => self.on_exchange_replied(exchange, replies),
            Err(error) => self.on_exchange_failed(exchange, error),
        }
    }

    fn on_exchange_failed(&mut self, exchange: Exchange, error: Error) -> Result<()> {
        self.outbox.restore(exchange.batch);
        if let Some(claim) = exchange.claim {
            self.lost_claims.add(claim.executions);
        }
        if exchange.failure_epoch != self.failure_epoch {
            return Ok(());
        }
        self.failure_epoch += 1;
        self.on_connection_error(error)
    }

    fn on_exchange_replied(&mut self, exchange: Exchange, replies: Vec<Result<Reply>>) -> Result<()> {
        let Exchange { mut batch, claim, is_combined, wakeup_epoch, .. } = exchange;
        let replies = if is_combined { split_combined_reply(replies) } else { replies };
        let mut replies = replies.into_iter();
        self.recover_lost_claims();
        let popped_ids = std::mem::take(&mut batch.popped_ids);
        let (acknowledged, refusal) = self.outbox.read_replies(batch, &mut replies);
        let is_refused = refusal.is_some();
        let mut error = self.on_finish_replied(acknowledged, refusal);
        if let Some(claim) = claim {
            let reply = replies.next().unwrap_or_else(|| Err(reply::missing()));
            let was_skipped = is_combined && is_refused;
            error = self.on_claim_replied(&claim, reply, popped_ids, was_skipped).or(error);
        }
        if wakeup_epoch != self.wakeup_epoch {
            self.claim_state = ClaimState::Ready;
        }
        match error {
            Some(error) => return self.on_connection_error(error),
            None if self.backoff.record_success() => self.emit(Event::Back),
            None => {}
        }
        Ok(())
    }

    /// Returns an error that the dispatcher has to back off for.
    fn on_finish_replied(
        &mut self,
        acknowledged: Vec<(Completion, FinishAck)>,
        refusal: Option<Error>,
    ) -> Option<Error> {
        let error = refusal.and_then(|refusal| {
            self.claimer.request_key_check();
            self.on_finish_refused(refusal)
        });
        // A completion may put jobs into the queues: its own one, those that it enqueued, those that depend on it.
        // A burst worker has no watchers that would find them, and the claim in the same exchange may have been
        // carried out first, if Redis had forgotten the script `finish`.
        let burst = self.worker.options.burst;
        if acknowledged.iter().any(|(completion, _)| burst || completion.is_requeued()) {
            self.wakeup_epoch += 1;
        }
        acknowledged.into_iter().for_each(|(completion, ack)| self.on_ack(completion, ack));
        error
    }

    /// Returns an error that the dispatcher has to back off for. `was_skipped` means that the script did not claim,
    /// because the completions before the claim were refused.
    fn on_claim_replied(
        &mut self,
        claim: &SentClaim,
        reply: Result<Reply>,
        popped_ids: Vec<PoppedId>,
        was_skipped: bool,
    ) -> Option<Error> {
        match reply.and_then(Claimer::decode_reply) {
            Ok(reply) => {
                self.accept_claim(reply, claim.claimed_at);
                None
            }
            Err(error) => {
                self.outbox.popped_ids.splice(0..0, popped_ids);
                if was_skipped {
                    // The completions wait, and the claim is sent alone.
                    self.wakeup_epoch += 1;
                }
                (!was_skipped).then_some(error)
            }
        }
    }
}

/// The replies to two combined commands. When the call was refused, neither was carried out, or only the first,
/// which may be repeated.
fn split_combined_reply(replies: Vec<Result<Reply>>) -> Vec<Result<Reply>> {
    match replies.into_iter().next().unwrap_or(Ok(Reply::Nil)).and_then(reply::list) {
        Ok(both) => both.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    }
}
