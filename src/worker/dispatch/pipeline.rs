//! What the loop says to Redis, and what comes of the answers. What is ready while an exchange is on its way
//! goes with the next one, so batches grow with the load.

use std::time::Instant;

use chrono::{DateTime, Utc};

use super::{Dispatcher, Look};
use crate::claim::{Claimer, ExecutionRange};
use crate::client::scripts::FINISH_AND_CLAIM;
use crate::client::{RedisCommand, Reply, reply};
use crate::error::Result;
use crate::worker::event::Event;
use crate::worker::io_threads::MAX_EXCHANGES;
use crate::worker::outbox::{Batch, no_answer};

/// From so many slots on, Redis works for some of them while the jobs of the others run: jobs are claimed
/// for half of them at a time, and a second exchange is sent after the first one.
const PIPELINED: usize = 16;

/// What is on its way to Redis, or its answer back.
pub(super) struct Flight {
    wire: usize,
    batch: Batch,
    /// Whether its last call is a claim, and for how many slots.
    claims: Option<usize>,
    claim: Option<ExecutionRange>,
    /// Whether it is one call for a finish and a claim.
    is_turn: bool,
    now: DateTime<Utc>,
    /// What was known when it was sent.
    news: u64,
    failures: u64,
    pub(super) since: Instant,
}

impl Dispatcher {
    pub(super) fn is_pipelined(&self) -> bool {
        self.worker.options.concurrency >= PIPELINED
    }

    /// What makes a second exchange worth it.
    fn worthwhile(&self) -> usize {
        self.worker.options.concurrency / 4
    }

    /// Whether there is something to send: whatever there is while nothing is on its way, and much beside
    /// one exchange. The two may overtake each other, so what a job saves is never in one of two.
    pub(super) fn has_to_send(&self) -> bool {
        let ended = if self.outbox.retry_at().is_none() { self.outbox.endings.len() } else { 0 };
        self.outage.is_over()
            && match self.flights.as_slice() {
                [] => self.outbox.is_due() || self.wanted() > 0,
                _ => self.may_send_another() && self.wanted().max(ended) >= self.worthwhile(),
            }
    }

    fn may_send_another(&self) -> bool {
        let saves = |flight: &Flight| flight.batch.saves_something();
        self.is_pipelined()
            && self.flights.len() < MAX_EXCHANGES
            && self.outbox.saves.is_empty()
            && !self.flights.iter().any(saves)
    }

    /// How many runs must end before there is something to send; `None` when nothing can be sent now.
    pub(super) fn next_send(&self) -> Option<usize> {
        match self.flights.as_slice() {
            [] => Some(1),
            _ if !self.may_send_another() => None,
            _ => Some(self.worthwhile().saturating_sub(self.outbox.endings.len()).max(1)),
        }
    }

    /// How many jobs to ask for.
    pub(super) fn wanted(&self) -> usize {
        if self.look != Look::Now || self.is_leaving() || self.is_quieted {
            return 0;
        }
        let asked: usize = self.flights.iter().filter_map(|flight| flight.claims).sum();
        let coming = asked + self.arrived.len();
        let left = self.worker.options.max_jobs.map(|most| most.saturating_sub(self.begun + coming as u64));
        let free = self.slots.room(self.ahead()).saturating_sub(coming);
        // Of few slots all, because a round trip costs more than one of their jobs.
        let slots = self.worker.options.concurrency;
        let most = if self.is_pipelined() { slots / 2 } else { slots };
        free.min(most).min(left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX)))
    }

    /// Sends what is due.
    pub(super) fn send(&mut self) -> Result<()> {
        while self.has_to_send() {
            let (wanted, now) = (self.wanted(), Utc::now());
            let client = &self.worker.client;
            let (batch, mut calls) = self.outbox.depart(client, &self.worker.queues);
            let claims = (wanted > 0 || !batch.woken.is_empty()).then_some(wanted);
            let claim = claims.map(|slots| self.claimer.next_executions(slots));
            if claims.is_some() {
                calls.push(self.claimer.encode(client, wanted, (self.full.keys(), &batch.woken), now));
            }
            let is_turn = batch.is_one_finish() && claims.is_some();
            if is_turn {
                calls = vec![RedisCommand::both(&FINISH_AND_CLAIM, &calls[0], &calls[1])];
            }
            let is_free = |wire: &usize| self.flights.iter().all(|flight| flight.wire != *wire);
            let wire = (0..MAX_EXCHANGES).find(is_free).unwrap_or_default();
            let is_alone = self.flights.is_empty() && self.held.is_empty() && self.arrived.is_empty();
            let (news, failures, since) = (self.news, self.failures, Instant::now());
            self.flights.push(Flight { wire, batch, claims, claim, is_turn, now, news, failures, since });
            if is_alone || !self.is_pipelined() {
                // Nothing else is to be done meanwhile, or so little that waking up another thread for it
                // costs more.
                let answers = client.pipeline_once(&calls);
                return self.hear_answers(wire, answers);
            }
            self.wires.send(wire, calls);
        }
        Ok(())
    }

    pub(super) fn hear_answers(&mut self, wire: usize, answers: Result<Vec<Result<Reply>>>) -> Result<()> {
        let Some(at) = self.flights.iter().position(|flight| flight.wire == wire) else { return Ok(()) };
        let Flight { mut batch, claims, claim, is_turn, now, news, failures, .. } = self.flights.remove(at);
        let mut answers = match answers {
            Ok(answers) if is_turn => both(answers).into_iter(),
            Ok(answers) => answers.into_iter(),
            Err(error) => {
                self.outbox.take_back(batch);
                claim.into_iter().for_each(|claim| self.lost_claims.add(claim));
                let is_known = failures != self.failures;
                self.failures += u64::from(!is_known);
                return if is_known { Ok(()) } else { self.trouble(error) };
            }
        };
        self.seek_lost_claims();
        let woken = std::mem::take(&mut batch.woken);
        let (done, refusal) = self.outbox.read(batch, &mut answers);
        let claimed = claims
            .map(|_| answers.next().unwrap_or_else(|| Err(no_answer())).and_then(Claimer::decode_reply));
        let is_refused = refusal.is_some();
        if is_refused {
            self.claimer.request_key_check();
        }
        let mut trouble = refusal.and_then(|refusal| self.note_refusal(refusal));
        // An end may have put jobs into a queue: this one, those that it enqueued, those that waited for it;
        // a burst worker has no watcher that would tell. The claim beside it may have been carried out first,
        // when Redis had forgotten the script.
        let burst = self.worker.options.burst;
        if done.iter().any(|(ending, _)| burst || ending.is_requeued()) {
            self.news += 1;
        }
        done.into_iter().for_each(|(ending, receipt)| self.report(ending, receipt));
        match claimed {
            Some(Ok(claimed)) => self.take(claimed, now),
            Some(Err(_)) if is_turn && is_refused => {
                // Nothing was claimed, because the ends were refused; they wait, and the claim goes alone.
                self.outbox.woken.splice(0..0, woken);
                self.news += 1;
            }
            Some(Err(error)) => {
                self.outbox.woken.splice(0..0, woken);
                trouble = Some(error);
            }
            None => {}
        }
        if news != self.news {
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

/// The answers to the two calls that one call stood for. When it was refused, neither was carried out, or the
/// first one was and tells so when it is repeated.
fn both(answers: Vec<Result<Reply>>) -> Vec<Result<Reply>> {
    match answers.into_iter().next().unwrap_or(Ok(Reply::Nil)).and_then(reply::list) {
        Ok(two) => two.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    }
}
