//! The replies to an exchange: acknowledgements of completions, and the jobs of a claim.

use super::dispatcher::{ClaimState, Dispatcher, WorkerShared};
use super::exchange::Exchange;
use crate::claim::{ClaimRequest, ClaimedJob};
use crate::client::{Reply, reply};
use crate::completion::Completion;
use crate::error::{Error, Result};
use crate::finish::FinishAck;
use crate::worker::event::Event;
use crate::worker::message::ExchangeId;

impl Dispatcher {
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
            self.outbox.popped_ids.splice(0..0, claim.popped_ids);
            self.lost_claims.add(claim.executions);
        }
        if exchange.failure_epoch != self.failure_epoch {
            return Ok(());
        }
        self.failure_epoch += 1;
        self.on_connection_error(error)
    }

    fn on_exchange_replied(&mut self, exchange: Exchange, replies: Vec<Result<Reply>>) -> Result<()> {
        if !self.lost_claims.are_reclaimed() {
            self.reclaim_lost_claims();
        }
        let wakeup_epoch = exchange.wakeup_epoch;
        let error = self.read_replies(exchange, replies);
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

    /// Returns an error if the dispatcher has to back off for it.
    fn read_replies(&mut self, exchange: Exchange, replies: Vec<Result<Reply>>) -> Option<Error> {
        let Exchange { batch, claim, .. } = exchange;
        let mut replies = replies.into_iter();
        let (acknowledged, rejection) = self.outbox.read_replies(batch, &mut replies);
        let error = self.on_finish_replied(acknowledged, rejection);
        let Some(claim) = claim else { return error };
        let reply = replies.next().unwrap_or_else(|| Err(reply::missing()));
        self.on_claim_replied(claim, reply).or(error)
    }

    /// Returns an error if the dispatcher has to back off for it.
    fn on_finish_replied(
        &mut self,
        acknowledged: Vec<(Completion, FinishAck)>,
        rejection: Option<Error>,
    ) -> Option<Error> {
        let error = rejection.and_then(|rejection| {
            self.keys_checked_at = None;
            self.on_finish_rejected(rejection)
        });
        // A completion may put jobs into the queues: its own job, jobs that the run enqueued, jobs that depend on it.
        // The claim of the same exchange may have missed them: if Redis has forgotten the script `finish`, it carries
        // out the claim, and the client sends `finish` again after that. A burst worker has no watchers to find them.
        let burst = self.worker.options.burst;
        if acknowledged.iter().any(|(completion, _)| burst || completion.is_in_queue_again()) {
            self.wakeup_epoch += 1;
        }
        acknowledged.into_iter().for_each(|(completion, ack)| self.on_ack(completion, ack));
        error
    }

    /// Returns an error if the dispatcher has to back off for it.
    fn on_claim_replied(&mut self, claim: ClaimRequest, reply: Result<Reply>) -> Option<Error> {
        match reply.and_then(|reply| self.claimer.decode_reply(reply, claim.claimed_at)) {
            Ok(reply) => {
                self.accept_claim(reply);
                None
            }
            Err(error) => {
                self.outbox.popped_ids.splice(0..0, claim.popped_ids);
                Some(error)
            }
        }
    }

    /// Puts back the jobs of lost claims, except those whose completions wait in the outbox. Returns `false` if Redis
    /// could not be queried; the next reply leads to another attempt.
    pub(super) fn reclaim_lost_claims(&mut self) -> bool {
        let WorkerShared { client, queues, options, .. } = &self.worker;
        let jobs = match self.lost_claims.fetch_jobs(client, queues, (&options.name, options.lease())) {
            Ok(jobs) => jobs,
            Err(error) => {
                log::debug!(target: "rq_rs", "jobs of a lost claim cannot be looked for: {error}");
                return false;
            }
        };
        self.lost_claims.mark_reclaimed();
        let completions = &self.outbox.completions;
        let has_ended = |job: &ClaimedJob| {
            let member = job.lease_member();
            completions.iter().any(|completion| completion.lease_member() == member)
        };
        let not_begun = jobs.into_iter().filter(|job| !has_ended(job)).collect();
        self.put_back(not_begun);
        true
    }
}
