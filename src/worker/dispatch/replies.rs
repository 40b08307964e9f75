//! The replies to an exchange: acknowledgements of completions, and the jobs of a claim.

use super::dispatcher::{ClaimState, Dispatcher, WorkerShared};
use super::exchange::{Exchange, SentClaim};
use crate::claim::{ClaimedJob, Claimer, PoppedId};
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
        let Exchange { mut batch, claim, is_finish_and_claim, .. } = exchange;
        let replies = if is_finish_and_claim { split_finish_and_claim(replies) } else { replies };
        let mut replies = replies.into_iter();
        let popped_ids = std::mem::take(&mut batch.popped_ids);
        let (acknowledged, rejection) = self.outbox.read_replies(batch, &mut replies);
        let was_skipped = is_finish_and_claim && rejection.is_some();
        let error = self.on_finish_replied(acknowledged, rejection);
        let Some(claim) = claim else { return error };
        let reply = replies.next().unwrap_or_else(|| Err(reply::missing()));
        self.on_claim_replied(&claim, reply, popped_ids, was_skipped).or(error)
    }

    /// Returns an error if the dispatcher has to back off for it.
    fn on_finish_replied(
        &mut self,
        acknowledged: Vec<(Completion, FinishAck)>,
        rejection: Option<Error>,
    ) -> Option<Error> {
        let error = rejection.and_then(|rejection| {
            self.claimer.request_key_check();
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

    /// Returns an error if the dispatcher has to back off for it. `was_skipped` is `true` if the script did not
    /// claim, because the completions before the claim were rejected.
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

/// Splits the reply of `finish_and_claim` into those of its two parts. On an error Redis has carried out neither part,
/// or only `finish`, whose call may be repeated. The claim is not in the replies then.
fn split_finish_and_claim(replies: Vec<Result<Reply>>) -> Vec<Result<Reply>> {
    match replies.into_iter().next().unwrap_or(Ok(Reply::Nil)).and_then(reply::list) {
        Ok(parts) => parts.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    }
}
