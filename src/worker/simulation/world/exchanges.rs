//! Exchanges: on their way to Redis and back, with their faults.

use super::super::clock::MILLISECOND;
use super::super::coverage::Mark;
use super::super::defect::Defect;
use super::super::events::WorldEvent;
use super::super::exchange_copy::ExchangeCopy;
use super::super::ledger::{Check, hold};
use super::super::plan::ExchangeFault;
use super::super::redis::{Sender, unreachable};
use super::World;
use super::process::{InFlight, LoopCall};
use crate::claim::ClaimReply;
use crate::error::Result;
use crate::finish::{self, FinishAck};
use crate::worker::engine::{ExchangeId, Replies};
use crate::worker::input::Input;
use crate::worker::phase::Phase;

impl World<'_> {
    pub(super) fn send(&mut self, worker: usize, id: ExchangeId, is_alone: bool) -> Check {
        let process = &mut self.processes[worker];
        let number = process.exchanges;
        process.exchanges += 1;
        let Some(exchange) = process.engine.exchange(id) else { return Ok(()) };
        let content = ExchangeCopy::new(exchange);
        self.check_send(worker, &content)?;
        let fault = self.lookup.fault(self.processes[worker].plan.number, number);
        let process = &mut self.processes[worker];
        let connection = process.connection;
        if !process.in_flight.iter().all(|other| other.is_answered) {
            self.redis.ledger.coverage.count(Mark::SecondExchange);
        }
        process.in_flight.push(InFlight {
            id,
            content,
            fault,
            connection,
            replies: None,
            is_answered: false,
            has_arrived: false,
        });
        if is_alone {
            process.call = Some(LoopCall::Exchange(id));
        }
        self.plan_way(worker, id, fault);
        Ok(())
    }

    /// The worker must not claim while it drains or is quiet.
    fn check_send(&self, worker: usize, content: &ExchangeCopy) -> Check {
        let slots = content.claim.as_ref().map_or(0, |claim| claim.slots);
        let health = &self.redis.ledger.workers[worker];
        let may_claim = health.phase == Phase::Running && !health.is_quiet;
        hold(slots == 0 || may_claim, "a worker that drains or is quiet claims no jobs", || {
            format!("worker {worker}: {health:?}")
        })
    }

    /// Plans when the exchange arrives, and when its reply does.
    fn plan_way(&mut self, worker: usize, id: ExchangeId, fault: Option<ExchangeFault>) {
        let process = &mut self.processes[worker];
        let (there, back) = (process.latency(), process.latency());
        let mut arrives_at = self.now + there;
        let mut replies_at = arrives_at + back;
        match fault {
            _ if !self.redis.is_up => replies_at = self.now + process.time_of_error(),
            Some(ExchangeFault::RequestLost | ExchangeFault::CutAfter(_)) => {
                replies_at += process.time_of_error() / 8;
            }
            Some(ExchangeFault::Late(delay)) => arrives_at = replies_at + delay,
            Some(ExchangeFault::Delayed(delay)) => replies_at += delay,
            _ => {}
        }
        self.events.add(arrives_at, WorldEvent::Arrive(worker, id));
        self.events.add(replies_at, WorldEvent::Reply(worker, id));
        self.count_fault(fault);
    }

    fn count_fault(&mut self, fault: Option<ExchangeFault>) {
        self.count(match fault {
            Some(ExchangeFault::RequestLost) => Mark::RequestLost,
            Some(ExchangeFault::ReplyLost) => Mark::ReplyLost,
            Some(ExchangeFault::Late(_)) => Mark::ExchangeLate,
            Some(ExchangeFault::CutAfter(_)) => Mark::ExchangeCut,
            Some(ExchangeFault::Delayed(_)) => Mark::ReplyDelayed,
            Some(ExchangeFault::RepliedTwice) => Mark::RepliedTwice,
            Some(ExchangeFault::ScriptsForgotten) => Mark::ScriptsForgotten,
            Some(ExchangeFault::FinishRejected(_) | ExchangeFault::ClaimRejected(_)) | None => return,
        });
    }

    /// An exchange reaches Redis.
    pub(super) fn on_arrive(&mut self, worker: usize, id: ExchangeId) -> Check {
        let process = &mut self.processes[worker];
        let Some(at) = process.in_flight.iter().position(|exchange| exchange.id == id) else { return Ok(()) };
        let exchange = &mut process.in_flight[at];
        exchange.has_arrived = true;
        let is_cut = exchange.connection != process.connection
            && !matches!(exchange.fault, Some(ExchangeFault::Late(_)));
        if self.redis.is_up && !is_cut && exchange.fault != Some(ExchangeFault::RequestLost) {
            let sender = Sender {
                worker,
                name: &process.name,
                lease: process.options.lease(),
                is_late: exchange.is_answered,
            };
            let is_repeated = self.redis.defect == Some(Defect::ExchangeIsRepeated)
                && matches!(exchange.fault, Some(ExchangeFault::ReplyLost));
            exchange.replies = Some(self.redis.execute(&sender, &exchange.content, exchange.fault)?);
            if is_repeated {
                exchange.replies = Some(self.redis.execute(&sender, &exchange.content, None)?);
                exchange.fault = None;
            }
            let exchange = &process.in_flight[at];
            let note = || format!("w{worker} == redis {id:?} {:?}", exchange.replies);
            self.trace.note(self.now, note);
        }
        self.drop_if_over(worker, id);
        Ok(())
    }

    fn drop_if_over(&mut self, worker: usize, id: ExchangeId) {
        let is_over = |exchange: &InFlight| exchange.id == id && exchange.is_answered && exchange.has_arrived;
        self.processes[worker].in_flight.retain(|exchange| !is_over(exchange));
    }

    /// The reply to an exchange, or an error, reaches the worker.
    pub(super) fn on_reply(&mut self, worker: usize, id: ExchangeId) -> Check {
        let process = &mut self.processes[worker];
        let Some(at) = process.in_flight.iter().position(|exchange| exchange.id == id) else { return Ok(()) };
        if process.in_flight[..at].iter().any(|before| !before.is_answered) {
            self.redis.ledger.coverage.count(Mark::RepliesOvertook);
        }
        let exchange = &mut process.in_flight[at];
        exchange.is_answered = true;
        let (fault, is_cut) = (exchange.fault, exchange.connection != process.connection);
        let is_lost = matches!(
            fault,
            Some(
                ExchangeFault::RequestLost
                    | ExchangeFault::ReplyLost
                    | ExchangeFault::Late(_)
                    | ExchangeFault::CutAfter(_)
            )
        );
        let replies = exchange.replies.take().filter(|_| !is_lost && !is_cut).ok_or_else(unreachable);
        let replies = self.spoil(worker, at, replies);
        self.drop_if_over(worker, id);
        self.note_reply(worker, &replies);
        if fault == Some(ExchangeFault::RepliedTwice) {
            let again = Input::Replied { exchange: id, replies: Err(unreachable()) };
            self.events.add(self.now + MILLISECOND, WorldEvent::Deliver(worker, Box::new(again)));
        }
        let input = Input::Replied { exchange: id, replies };
        if matches!(self.processes[worker].call, Some(LoopCall::Exchange(waits)) if waits == id) {
            self.processes[worker].call = None;
            self.handle(worker, input);
            // The driver does so from the second exchange of an iteration on.
            if self.processes[worker].rng.bool() {
                self.handle_inputs(worker);
            }
            self.carry_out_actions(worker)?;
            return self.resume_turn(worker);
        }
        self.deliver(worker, input);
        Ok(())
    }

    /// The loop goes on after a call: what has come meanwhile is handled next.
    pub(super) fn resume_turn(&mut self, worker: usize) -> Check {
        let process = &self.processes[worker];
        if process.call.is_none() && (!process.inbox.is_empty() || process.pool.has_ended()) {
            self.wake(worker, self.now);
        }
        Ok(())
    }

    fn note_reply(&mut self, worker: usize, replies: &Result<Replies>) {
        let (ledger, now) = (&mut self.redis.ledger, self.now);
        let Ok(replies) = replies else {
            ledger.workers[worker].exchange_error_at = Some(now);
            return;
        };
        let is_rejected = replies.acks.iter().any(Result::is_err) || matches!(replies.claim, Some(Err(_)));
        if is_rejected {
            ledger.workers[worker].exchange_error_at = Some(now);
        } else {
            ledger.workers[worker].reply_at = Some(now);
        }
        for job in replies.claim.iter().flatten().flat_map(|claim| &claim.jobs).flatten() {
            ledger.on_delivered(&job.execution);
        }
    }

    /// Changes what the engine is told, if there is a defect.
    fn spoil(&mut self, worker: usize, at: usize, replies: Result<Replies>) -> Result<Replies> {
        let Some(defect) = self.redis.defect else { return replies };
        let content = &self.processes[worker].in_flight[at].content;
        let claim = || content.claim.as_ref().map(|_| Ok(ClaimReply::default()));
        let done = |batch: &[_]| Ok(vec![FinishAck::Done; batch.len()]);
        match (defect, replies) {
            (Defect::FailureLooksEmpty, Err(_)) => Ok(Replies { acks: Vec::new(), claim: claim() }),
            (Defect::FailureLooksDone, Err(_)) => {
                let acks = finish::batches(&content.completions).map(done).collect();
                Ok(Replies { acks, claim: claim() })
            }
            (Defect::AcksAreSwapped, Ok(mut replies)) => {
                replies.acks.iter_mut().flatten().for_each(|acks| acks.reverse());
                Ok(replies)
            }
            (Defect::ClaimedJobsAreDropped, Ok(mut replies)) => {
                if let Some(Ok(claim)) = &mut replies.claim {
                    claim.jobs.truncate(1);
                }
                Ok(replies)
            }
            (_, replies) => replies,
        }
    }

    /// The connection of a worker's exchanges breaks.
    pub(super) fn cut_connection(&mut self, worker: usize) {
        self.processes[worker].connection += 1;
    }
}
