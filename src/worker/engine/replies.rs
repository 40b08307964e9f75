//! The replies to an exchange: acknowledgements of completions, and the jobs of a claim; or the loss of both.

use super::claims::ClaimState;
use super::outbox::REJECTED_RETRY_DELAY;
use super::{Action, Engine, Exchange, ExchangeId, Now, Replies};
use crate::claim::{ClaimReply, ClaimRequest};
use crate::completion::Completion;
use crate::error::{Error, Result};
use crate::finish::FinishAck;
use crate::worker::event::Event;
use crate::wrong_type::is_wrong_type;

impl Engine {
    pub(super) fn on_replied(&mut self, now: Now, id: ExchangeId, replies: Result<Replies>) {
        let Some(exchange) = self.link.remove(id) else { return };
        match replies {
            Ok(replies) => self.on_exchange_replied(now, exchange, replies),
            Err(error) => self.on_exchange_failed(now, exchange, error),
        }
    }

    fn on_exchange_failed(&mut self, now: Now, exchange: Exchange, error: Error) {
        self.outbox.restore(exchange.batch);
        if let Some(claim) = exchange.claim {
            self.outbox.restore_popped_ids(claim.popped_ids);
            self.claims.lost.add(claim.executions, now.instant);
        }
        if exchange.failure_epoch == self.link.failure_epoch {
            self.link.failure_epoch += 1;
            self.on_connection_error(now, error);
        }
    }

    fn on_exchange_replied(&mut self, now: Now, exchange: Exchange, replies: Replies) {
        let Exchange { batch, claim, wakeup_epoch, .. } = exchange;
        let (acknowledged, rejection) = self.outbox.read_acks(batch, replies.acks, now.instant);
        let is_rejected = rejection.is_some();
        let finish_error = self.on_finish_replied(acknowledged, rejection);
        let claim_error = claim.and_then(|claim| self.on_claim_replied(now, claim, replies.claim));
        if is_rejected {
            self.put_back_arrived_of_rejected_queues(now);
        }
        if wakeup_epoch != self.claims.wakeup_epoch {
            self.claims.state = ClaimState::Ready;
        }
        self.reclaim(now);
        match claim_error.or(finish_error) {
            Some(error) => self.on_connection_error(now, error),
            None if self.link.backoff.record_success() => self.emit(Event::Back),
            None => {}
        }
    }

    /// Puts claimed jobs back whose queue does not take completions: their ends could not be saved either. The next
    /// claim finds the key of a wrong type.
    fn put_back_arrived_of_rejected_queues(&mut self, now: Now) {
        let rejected: Vec<usize> =
            self.outbox.completions().iter().map(|completion| completion.queue).collect();
        let arrived = std::mem::take(&mut self.runs.arrived).into_iter();
        let (back, kept) =
            arrived.partition::<Vec<_>, _>(|job| job.as_ref().is_ok_and(|job| rejected.contains(&job.queue)));
        self.runs.arrived = kept;
        self.put_back(now, back.into_iter().flatten().collect());
    }

    /// Returns an error if the worker has to back off for it.
    fn on_finish_replied(
        &mut self,
        acknowledged: Vec<(Completion, FinishAck)>,
        rejection: Option<Error>,
    ) -> Option<Error> {
        let error = rejection.and_then(|rejection| {
            self.claims.request_key_check();
            self.on_finish_rejected(rejection)
        });
        // A completion may put jobs into the queues: its own job, jobs that the run enqueued, jobs that depend on it.
        // The claim of the same exchange may have missed them: if Redis has forgotten the script `finish`, it carries
        // out the claim, and the client sends `finish` again after that. A burst worker has no watchers to find them.
        let burst = self.config.options.burst;
        if acknowledged.iter().any(|(completion, _)| burst || completion.is_in_queue_again()) {
            self.claims.wakeup_epoch += 1;
        }
        self.report(acknowledged);
        error
    }

    /// Reports the end of runs, only now that Redis has stored it.
    fn report(&mut self, acknowledged: Vec<(Completion, FinishAck)>) {
        for (completion, _) in
            acknowledged.iter().filter(|(_, ack)| *ack == FinishAck::DoneWithMoreDependents)
        {
            self.actions.push_back(Action::Emit(Event::Warning(format!(
                "{}: more than 10,000 jobs wait for it; those that were not released need Python's \
                 queue.enqueue_dependents",
                completion.id
            ))));
        }
        if !acknowledged.is_empty() {
            self.actions.push_back(Action::Report(acknowledged));
        }
    }

    /// Returns an error if the worker has to back off for it.
    fn on_claim_replied(
        &mut self,
        now: Now,
        claim: ClaimRequest,
        reply: Option<Result<ClaimReply>>,
    ) -> Option<Error> {
        match reply.unwrap_or_else(|| Err(Error::missing_reply())) {
            Ok(reply) => {
                self.accept_claim(now, reply);
                None
            }
            Err(error) => {
                self.outbox.restore_popped_ids(claim.popped_ids);
                Some(error)
            }
        }
    }

    /// Backs off after an error of the connection, or of a server that cannot be used now. The worker ends when the
    /// attempts are used up, or it terminates.
    fn on_connection_error(&mut self, now: Now, error: Error) {
        if self.life.is_terminating() {
            return self.end(Err(self.link.backoff.broker_lost(&error)));
        }
        match self.link.backoff.record_failure(&error, now.instant, &mut self.rng) {
            Ok(retry_in) => {
                self.claims.state = ClaimState::Ready;
                self.emit(Event::Trouble { error: error.to_string(), retry_in });
            }
            Err(broker_lost) => self.end(Err(broker_lost)),
        }
    }

    /// Handles rejected completions, which wait in the outbox. Returns the error if the worker has to back off. For
    /// a key of the wrong type it need not: only one queue is affected, and an event reports it.
    fn on_finish_rejected(&mut self, error: Error) -> Option<Error> {
        if !is_wrong_type(&error) || self.life.is_terminating() {
            return Some(error);
        }
        let error = format!("an end cannot be saved: {error}");
        self.emit(Event::Trouble { error, retry_in: REJECTED_RETRY_DELAY });
        None
    }
}
