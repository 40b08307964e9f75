//! Redis as the workers of a world use it: the model, whether it can be used, and the ledger that checks every change.

use std::collections::VecDeque;
use std::time::Duration;

use super::clock::{Micros, SECOND, redis_micros, utc_at};
use super::coverage::Mark;
use super::defect::Defect;
use super::exchange_copy::{ExchangeCopy, copy_completion};
use super::ledger::{Check, Ledger, RedisOutage, Violation, hold, number_of};
use super::model::{Place, RedisModel};
use super::plan::{ExchangeFault, Plan, Rejection};
use crate::claim::{ClaimReply, ClaimRequest};
use crate::completion::{Completion, Destination};
use crate::dialect::DialectSpec;
use crate::error::{Error, Result};
use crate::finish::{self, FinishAck};
use crate::worker::engine::Replies;

/// The sender of an exchange.
pub(super) struct Sender<'a> {
    pub(super) worker: usize,
    pub(super) name: &'a str,
    pub(super) lease: Duration,
    /// `true` if the worker has got an error for the exchange.
    pub(super) is_late: bool,
}

/// A watcher that waits for an id.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Waiter {
    pub(super) worker: usize,
    pub(super) queue: usize,
    pub(super) wait: u64,
    /// The time at which Redis notices that the worker has died.
    pub(super) closes_at: Option<Micros>,
}

pub(super) struct SimulatedRedis {
    pub(super) model: RedisModel,
    pub(super) ledger: Ledger,
    pub(super) dialect: &'static DialectSpec,
    pub(super) defect: Option<Defect>,
    pub(super) is_up: bool,
    /// The start of the server, in microseconds since 1970.
    started_at: i64,
    pub(super) suspended: Vec<bool>,
    waiting: Vec<VecDeque<Waiter>>,
}

impl SimulatedRedis {
    pub(super) fn new(plan: &Plan) -> Self {
        let now = redis_micros(0);
        SimulatedRedis {
            model: RedisModel::new(plan.dialect, plan.queues, now),
            ledger: Ledger::new(plan.lease),
            dialect: plan.dialect,
            defect: None,
            is_up: true,
            started_at: now - plan.uptime as i64,
            suspended: vec![false; plan.queues],
            waiting: vec![VecDeque::new(); plan.queues],
        }
    }

    pub(super) fn set_now(&mut self, now: Micros) {
        self.model.set_now(redis_micros(now));
        self.ledger.now = now;
    }

    /// Time since the start of the server, in whole seconds as `INFO` has it.
    pub(super) fn uptime(&self) -> Micros {
        ((redis_micros(self.ledger.now) - self.started_at) as u64 / SECOND) * SECOND
    }

    /// Makes Redis unreachable for a while.
    pub(super) fn go_away(&mut self, lasts: Micros, is_restart: bool) {
        self.is_up = false;
        let now = self.ledger.now;
        self.ledger.outages.push(RedisOutage { from: now, until: now + lasts, is_restart });
        if is_restart {
            self.started_at = redis_micros(now + lasts);
        }
    }

    /// Ends an outage.
    pub(super) fn come_back(&mut self) {
        let now = self.ledger.now;
        self.is_up = true;
        self.started_at = self.started_at.min(redis_micros(now));
        if let Some(outage) = self.ledger.outages.last_mut() {
            outage.until = outage.until.min(now);
        }
    }

    /// Removes and returns the watchers that wait.
    pub(super) fn take_waiting(&mut self) -> Vec<Waiter> {
        self.waiting.iter_mut().flat_map(std::mem::take).collect()
    }

    pub(super) fn flush(&mut self) {
        self.model.flush();
        self.suspended.fill(false);
        self.ledger.on_data_lost();
    }

    /// Carries out an exchange.
    pub(super) fn execute(
        &mut self,
        sender: &Sender<'_>,
        exchange: &ExchangeCopy,
        fault: Option<ExchangeFault>,
    ) -> Result<Replies, Violation> {
        let mut commands = match fault {
            Some(ExchangeFault::CutAfter(commands)) => commands,
            _ => usize::MAX,
        };
        let mut claim = None;
        if fault == Some(ExchangeFault::ScriptsForgotten) {
            claim = self.carry_out_claim(sender, exchange, fault)?;
        }
        for (field, value) in exchange.field_updates.iter().take(commands) {
            self.set_field(&field.id, (field.name, value), &field.execution)?;
        }
        commands = commands.saturating_sub(exchange.field_updates.len());
        let mut acks = Vec::new();
        for batch in finish::batches(&exchange.completions).take(commands) {
            acks.push(self.carry_out_finish(batch, fault)?);
        }
        if claim.is_none() && commands > acks.len() {
            claim = self.carry_out_claim(sender, exchange, fault)?;
        }
        Ok(Replies { acks, claim })
    }

    fn set_field(&mut self, id: &str, field: (&str, &[u8]), execution: &str) -> Check {
        let is_written = self.model.set_field(id, field, execution);
        self.ledger.coverage.count(if is_written { Mark::FieldWritten } else { Mark::FieldFenced });
        let run = self.ledger.find(execution).map(|run| &self.ledger.executions[run]);
        let is_open = run.is_some_and(|run| run.close.is_none());
        hold(is_written == is_open, "a run writes fields while it has its job", || {
            format!("{id} {execution}")
        })
    }

    fn carry_out_finish(
        &mut self,
        batch: &[Completion],
        fault: Option<ExchangeFault>,
    ) -> Result<Result<Vec<FinishAck>>, Violation> {
        if let Some(ExchangeFault::FinishRejected(rejection)) = fault {
            self.ledger.coverage.count(Mark::FinishRejected);
            return Ok(Err(rejected(rejection)));
        }
        let mut acks = self.finish(batch, None)?;
        if self.defect == Some(Defect::FinishIsSentTwice) {
            let mut later: Vec<Completion> = batch.iter().map(copy_completion).collect();
            for (name, value) in later.iter_mut().flat_map(|completion| &mut completion.fields) {
                if *name == "ended_at" {
                    value.push(b'0');
                }
            }
            acks = self.model.finish(&later);
        }
        Ok(Ok(acks))
    }

    /// Writes one batch of completions, those of a worker or of recovery.
    pub(super) fn finish(
        &mut self,
        batch: &[Completion],
        recoverer: Option<usize>,
    ) -> Result<Vec<FinishAck>, Violation> {
        let acks = self.model.finish(batch);
        for (completion, ack) in batch.iter().zip(&acks) {
            match recoverer {
                Some(recoverer) => self.ledger.on_recovered(completion, *ack, recoverer)?,
                None => self.ledger.on_finished(completion, *ack)?,
            }
            if *ack == FinishAck::Done {
                self.check_counts(completion)?;
                let record = self.model.record(&completion.id).filter(|_| recoverer.is_some());
                let is_named = record.is_some_and(|record| record.get("execution_id").is_some());
                hold(!is_named, "after a recovery the record names no execution", || completion.id.clone())?;
            }
        }
        let is_at_front = |(completion, ack): &(&Completion, &FinishAck)| {
            **ack == FinishAck::Done && completion.destination == Destination::QueueFront
        };
        if let Some((last, _)) = batch.iter().zip(&acks).rev().find(is_at_front) {
            let next = self.next_id(last.queue);
            hold(next == Some(&last.id), "a job that is put back is the next one", || last.id.clone())?;
        }
        Ok(acks)
    }

    fn next_id(&self, queue: usize) -> Option<&String> {
        let ids = self.model.ids(queue, Place::List);
        if self.dialect.pops_from_right { ids.back() } else { ids.front() }
    }

    fn count_in_record(&self, id: &str, field: &str) -> u32 {
        let value = self.model.record(id).and_then(|record| record.get(field));
        value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok()).unwrap_or(0)
    }

    /// The counts in the record are what has happened.
    fn check_counts(&self, completion: &Completion) -> Check {
        let id = completion.id.as_str();
        if self.model.record(id).is_none() {
            return Ok(());
        }
        let job = &self.ledger.jobs[number_of(id)];
        let said =
            (self.count_in_record(id, "deliveries"), self.count_in_record(id, self.dialect.retries_field));
        hold(said == (job.deliveries, job.retries), "deliveries and retries are counted", || {
            format!("{id}: the record says {said:?}; {job:?}")
        })
    }

    fn carry_out_claim(
        &mut self,
        sender: &Sender<'_>,
        exchange: &ExchangeCopy,
        fault: Option<ExchangeFault>,
    ) -> Result<Option<Result<ClaimReply>>, Violation> {
        let Some(request) = &exchange.claim else { return Ok(None) };
        if let Some(ExchangeFault::ClaimRejected(rejection)) = fault {
            self.ledger.coverage.count(Mark::ClaimRejected);
            return Ok(Some(Err(rejected(rejection))));
        }
        Ok(Some(Ok(self.claim(sender, request)?)))
    }

    fn claim(&mut self, sender: &Sender<'_>, request: &ClaimRequest) -> Result<ClaimReply, Violation> {
        let reply = self.model.claim(request, sender.name, sender.lease);
        for job in reply.jobs.iter().flatten() {
            let deliveries = self.count_in_record(&job.record.id, "deliveries");
            self.ledger.on_claimed(job, (sender.worker, sender.is_late), deliveries)?;
            let is_suspended = self.suspended[job.queue] || self.model.all_suspended;
            hold(!is_suspended, "a suspended queue gives no jobs", || job.record.id.clone())?;
        }
        let slots = request.slots;
        hold(reply.jobs.len() <= slots, "a claim gives as many jobs as it has slots", || format!("{slots}"))?;
        for popped in &request.popped_ids {
            let id = String::from_utf8_lossy(&popped.id);
            let is_put_back = self.model.places(&id).iter().any(|(_, place)| *place == Place::List);
            self.ledger.coverage.add(Mark::PutBackPopped, u64::from(is_put_back));
        }
        Ok(reply)
    }

    /// Renews leases, and returns those that are lost.
    pub(super) fn renew(
        &mut self,
        sender: &Sender<'_>,
        leases: &[(usize, String)],
    ) -> Result<Vec<String>, Violation> {
        let members = leases.iter().map(|(queue, member)| (*queue, member.as_str()));
        let lost = self.model.heartbeat(sender.name, sender.lease, utc_at(self.ledger.now), members);
        for (_, member) in leases {
            self.ledger.on_heartbeat(member, lost.contains(member))?;
        }
        Ok(lost)
    }

    /// Adds a watcher that waits for an id.
    pub(super) fn wait(&mut self, waiter: Waiter) {
        self.waiting[waiter.queue].push_back(waiter);
    }

    /// Ends the wait of a watcher. Returns whether it waited.
    pub(super) fn end_wait(&mut self, (worker, queue, wait): (usize, usize, u64)) -> bool {
        let waiting = &mut self.waiting[queue];
        let at = waiting.iter().position(|waiter| waiter.worker == worker && waiter.wait == wait);
        at.and_then(|at| waiting.remove(at)).is_some()
    }

    /// Removes and returns the waiting watchers of a worker.
    pub(super) fn end_waits_of(&mut self, worker: usize) -> Vec<Waiter> {
        let mut ended = Vec::new();
        for waiting in &mut self.waiting {
            ended.extend(waiting.iter().copied().filter(|waiter| waiter.worker == worker));
            waiting.retain(|waiter| waiter.worker != worker);
        }
        ended
    }

    /// Redis will notice the death of a worker at this time.
    pub(super) fn close_waits_of(&mut self, worker: usize, at: Micros) {
        let of_worker = |waiter: &&mut Waiter| waiter.worker == worker;
        self.waiting.iter_mut().flatten().filter(of_worker).for_each(|waiter| waiter.closes_at = Some(at));
    }

    /// Gives the next ids to the watchers that wait for them. Returns the watchers and their ids.
    pub(super) fn serve_watchers(&mut self) -> Vec<(Waiter, String)> {
        let (mut served, now) = (Vec::new(), self.ledger.now);
        for queue in 0..self.waiting.len() {
            self.waiting[queue].retain(|waiter| waiter.closes_at.is_none_or(|at| at > now));
            while !self.waiting[queue].is_empty()
                && let Some(id) = self.model.pop_to_intermediate(queue)
                && let Some(waiter) = self.waiting[queue].pop_front()
            {
                let job = &mut self.ledger.jobs[number_of(&id)];
                (job.popped, job.returned_by) = (Some((waiter.worker, now)), None);
                served.push((waiter, id));
            }
        }
        served
    }
}

/// The error of a command that Redis does not carry out.
fn rejected(rejection: Rejection) -> Error {
    let reason = match rejection {
        Rejection::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
        Rejection::ReadOnly => "READONLY You can't write against a read only replica.",
        Rejection::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
    };
    Error::Refused { reason: reason.to_owned() }
}

/// The error of a connection that breaks.
pub(super) fn unreachable() -> Error {
    Error::Unreachable { address: "redis".to_owned(), reason: "the connection broke".to_owned() }
}
