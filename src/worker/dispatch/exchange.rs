//! What the loop says to Redis, and what comes of the answers. One exchange is on its way at a time; what
//! is ready meanwhile goes with the next one, so batches grow with the load.

use std::time::Instant;

use chrono::{DateTime, Utc};

use super::{Dispatcher, Look, PIPELINED};
use crate::error::Result;
use crate::fetch::Fetcher;
use crate::store::Reply;
use crate::worker::event::Event;
use crate::worker::outbox::Batch;

/// What is on its way to Redis, or its answer back.
pub(super) struct Flight {
    batch: Batch,
    /// Whether its last call is a claim.
    claims: bool,
    now: DateTime<Utc>,
    pub(super) since: Instant,
}

impl Dispatcher {
    /// Sends all that is due, when nothing else is on its way.
    pub(super) fn send(&mut self) -> Result<()> {
        if !self.has_to_send() {
            return Ok(());
        }
        let (wanted, now) = (self.wanted(), Utc::now());
        let store = &self.house.store;
        let (batch, mut calls) = self.outbox.depart(store, &self.house.queues);
        let claims = wanted > 0 || !batch.woken.is_empty();
        if claims {
            calls.push(self.fetcher.call(store, wanted, &batch.woken, now));
        }
        self.flight = Some(Flight { batch, claims, now, since: Instant::now() });
        let is_alone = self.held.is_empty() && self.arrived.is_empty();
        if is_alone || self.house.options.concurrency < PIPELINED {
            // Nothing else is to be done meanwhile, or so little that waking up another thread for it
            // costs more.
            let answers = store.exchange(&calls);
            return self.hear_answers(answers);
        }
        self.wire.carry(calls);
        Ok(())
    }

    pub(super) fn hear_answers(&mut self, answers: Result<Vec<Result<Reply>>>) -> Result<()> {
        let Some(Flight { mut batch, claims, now, .. }) = self.flight.take() else { return Ok(()) };
        let mut answers = match answers {
            Ok(answers) => answers.into_iter(),
            Err(error) => {
                self.outbox.take_back(batch);
                return self.trouble(error);
            }
        };
        let woken = std::mem::take(&mut batch.woken);
        let (done, refusal) = self.outbox.read(batch, &mut answers);
        let claimed = claims.then(|| answers.next().unwrap_or(Ok(Reply::Nil)).and_then(Fetcher::read));
        let mut trouble = refusal.and_then(|refusal| self.note_refusal(refusal));
        // An end may have put jobs into a queue: this one, those that it enqueued, those that waited for it;
        // a burst worker has no watcher that would tell.
        let burst = self.house.options.burst;
        let requeues = done.iter().any(|(ending, _)| burst || ending.goes_back());
        done.into_iter().for_each(|(ending, receipt)| self.report(ending, receipt));
        match claimed {
            Some(Ok(claimed)) => {
                self.claimed_at = now;
                self.take(claimed);
            }
            Some(Err(error)) => {
                self.outbox.woken.splice(0..0, woken);
                trouble = Some(error);
            }
            None => {}
        }
        let looks_again = std::mem::take(&mut self.looks_again);
        if requeues || looks_again {
            // The claim beside it may have been carried out first, when Redis had forgotten the script.
            self.look = Look::Now;
        }
        match trouble {
            Some(error) => return self.trouble(error),
            None if self.outage.has_ended() => self.tell(Event::Back),
            None => {}
        }
        Ok(())
    }
}
