//! The rig: an engine whose clock, runs and Redis are the test. Each method that tells it of something lets it do all
//! that follows, and checks that it does not ask to be woken in the past: the loop would never rest.
//!
//! As in the driver, an exchange that is alone occupies the loop: what happens meanwhile is handled after its reply.
//! Exchanges of a worker with fewer than 16 slots are always alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;

use super::text::{self, Names};
use super::values::{Answer, TestJob, connection_broke, jobs, nothing};
use crate::claim::{ClaimRequest, PoppedId};
use crate::dialect::Dialect;
use crate::error::{Error, Result};
use crate::finish;
use crate::job::Outcome;
use crate::worker::engine::{Action, Config, Engine, Exchange, ExchangeId, Now, Replies};
use crate::worker::input::{ControlMessage, Input};
use crate::worker::options::Options;
use crate::worker::phase::Phase;
use crate::worker::run::{JobField, RunId};

/// No rule of the engine needs so many actions at one moment.
const MAX_ACTIONS: usize = 1000;

pub(super) struct Rig {
    pub(super) engine: Engine,
    now: Now,
    names: Names,
    /// The latest run of each job.
    runs: HashMap<String, RunId>,
    /// The latest execution of each job.
    executions: HashMap<String, (TestJob, String)>,
    in_flight: Vec<ExchangeId>,
    /// The exchange in flight that occupies the loop.
    alone: Option<ExchangeId>,
    /// Inputs that came while the loop was occupied.
    deferred: Vec<Input>,
    /// The actions that the test has not read.
    actions: Vec<String>,
    has_stopped: bool,
    /// `true` while the worker waits for the jobs of its lost claims.
    is_searching: bool,
    is_holding: bool,
    is_quiet: bool,
    phase: Phase,
}

impl Rig {
    /// A worker with this many slots and one queue, `default`.
    pub(super) fn new(slots: usize) -> Self {
        Self::with(slots, |_| {})
    }

    /// A worker with these options.
    pub(super) fn with(slots: usize, set: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::new(vec!["default".to_owned()]);
        (options.concurrency, options.lease) = (slots, Some(Duration::from_secs(30)));
        set(&mut options);
        let names = Names { queues: options.queues.clone(), runs: HashMap::new() };
        let engine = Engine::new(Config {
            options: Arc::new(options),
            dialect: Dialect::Native.spec(),
            is_supervised: Box::new(|handler| handler.is_some_and(|name| name.starts_with("exec"))),
            seed: 1,
        });
        let utc = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut rig = Rig {
            engine,
            now: Now { instant: Instant::now(), utc },
            names,
            runs: HashMap::new(),
            executions: HashMap::new(),
            in_flight: Vec::new(),
            alone: None,
            deferred: Vec::new(),
            actions: Vec::new(),
            has_stopped: false,
            is_searching: false,
            is_holding: false,
            is_quiet: false,
            phase: Phase::Running,
        };
        rig.settle();
        rig
    }

    // What the test sees.

    /// The actions since the last call, in their order.
    pub(super) fn actions(&mut self) -> Vec<String> {
        std::mem::take(&mut self.actions)
    }

    /// The actions since the last call that begin with this word, without it.
    pub(super) fn actions_of(&mut self, word: &str) -> Vec<String> {
        let rest = |action: String| action.strip_prefix(word).map(|rest| rest.trim_start().to_owned());
        self.actions().into_iter().filter_map(rest).collect()
    }

    /// The events since the last call.
    pub(super) fn events(&mut self) -> Vec<String> {
        self.actions_of("event:")
    }

    /// The content of each exchange in flight, the oldest first.
    pub(super) fn in_flight(&self) -> Vec<String> {
        self.in_flight.iter().map(|id| text::of_exchange(self.exchange(*id), &self.names)).collect()
    }

    /// The claim of the newest exchange in flight.
    pub(super) fn claim(&self) -> &ClaimRequest {
        let newest = self.in_flight.last().expect("no exchange is in flight");
        self.exchange(*newest).claim.as_ref().expect("the exchange has no claim")
    }

    /// Number of jobs that the oldest exchange in flight asks for.
    pub(super) fn asks_for(&self) -> usize {
        let oldest = self.in_flight.first().and_then(|id| self.exchange(*id).claim.as_ref());
        oldest.map_or(0, |claim| claim.slots)
    }

    /// The value that an exchange in flight writes into a field of a job.
    pub(super) fn written(&self, job: &str, field: &str) -> Option<String> {
        let exchanges = self.in_flight.iter().map(|id| self.exchange(*id));
        let mut completions = exchanges.flat_map(|exchange| &exchange.batch.completions);
        let fields = &completions.find(|completion| completion.id == job)?.fields;
        let (_, value) = fields.iter().find(|(name, _)| *name == field)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Milliseconds until the worker does something by itself.
    pub(super) fn wakes_in(&self) -> Option<u128> {
        let at = self.engine.wake_at()?;
        Some(at.saturating_duration_since(self.now.instant).as_millis())
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.engine.is_healthy(self.now.instant)
    }

    // Time.

    /// Lets time pass. The worker wakes when it has asked for it, and only then.
    pub(super) fn after(&mut self, milliseconds: u64) {
        let end = self.now.instant + Duration::from_millis(milliseconds);
        while let Some(at) = self.next_wake().filter(|at| *at <= end) {
            self.set_time(at);
            self.settle();
        }
        self.set_time(end);
    }

    /// Lets time pass until an exchange is in flight, and returns how many milliseconds that took.
    pub(super) fn until_it_sends(&mut self) -> u128 {
        let start = self.now.instant;
        for _ in 0..MAX_ACTIONS {
            if !self.in_flight.is_empty() {
                break;
            }
            let at = self.next_wake().expect("the worker waits for ever");
            self.set_time(at);
            self.settle();
        }
        (self.now.instant - start).as_millis()
    }

    fn next_wake(&self) -> Option<Instant> {
        self.engine.wake_at().filter(|_| !self.is_occupied())
    }

    fn set_time(&mut self, instant: Instant) {
        let passed = instant - self.now.instant;
        self.now = Now { instant, utc: self.now.utc + passed };
    }

    // Redis.

    /// Redis replies to the oldest exchange: its completions are written, and its claim gives these jobs. If they are
    /// fewer than the claim asked for, the queues are empty.
    pub(super) fn claimed<J: Into<TestJob>>(&mut self, claimed: impl IntoIterator<Item = J>) {
        self.replied(jobs(claimed));
    }

    /// Redis replies to the oldest exchange.
    pub(super) fn replied(&mut self, answer: Answer) {
        self.replied_to(0, answer);
    }

    /// Redis replies that the queues are empty until no exchange is in flight.
    pub(super) fn replies_until_idle(&mut self) {
        for _ in 0..MAX_ACTIONS {
            if self.in_flight.is_empty() {
                return;
            }
            self.replied(nothing());
        }
        panic!("it never ends: {:?}", self.in_flight());
    }

    /// Redis replies to one of the exchanges in flight.
    pub(super) fn replied_to(&mut self, position: usize, mut answer: Answer) {
        let id = self.in_flight.remove(position);
        self.remember_executions(id, &answer.jobs);
        let exchange = self.exchange(id);
        let acks = finish::batches(&exchange.batch.completions).map(|batch| answer.acks_of(batch)).collect();
        let claim = exchange.claim.as_ref().map(|claim| match answer.claim_error.take() {
            Some(error) => Err(error),
            None => Ok(answer.claim_reply(claim, self.now)),
        });
        self.tell_reply(id, Ok(Replies { acks, claim }));
    }

    /// The connection breaks before the reply to the oldest exchange has come.
    pub(super) fn reply_lost(&mut self) {
        self.reply_lost_after_claiming([""; 0]);
    }

    /// The connection of one of the exchanges in flight breaks.
    pub(super) fn reply_lost_to(&mut self, position: usize) {
        let id = self.in_flight.remove(position);
        self.tell_reply(id, Err(connection_broke()));
    }

    /// The reply to the oldest exchange is lost, but Redis has carried the exchange out: these jobs have leases now.
    pub(super) fn reply_lost_after_claiming<J: Into<TestJob>>(&mut self, jobs: impl IntoIterator<Item = J>) {
        let id = self.in_flight.remove(0);
        let jobs: Vec<TestJob> = jobs.into_iter().map(Into::into).collect();
        self.remember_executions(id, &jobs);
        self.tell_reply(id, Err(connection_broke()));
    }

    fn tell_reply(&mut self, exchange: ExchangeId, replies: Result<Replies>) {
        self.alone = self.alone.filter(|alone| *alone != exchange);
        self.tell(Input::Replied { exchange, replies });
        for input in std::mem::take(&mut self.deferred) {
            self.tell(input);
        }
    }

    fn remember_executions(&mut self, id: ExchangeId, jobs: &[TestJob]) {
        let Some(claim) = &self.exchange(id).claim else { return };
        let executions: Vec<String> = (0..).take(jobs.len()).map(|n| claim.executions.nth(n)).collect();
        for (job, execution) in jobs.iter().zip(executions) {
            self.executions.insert(job.id.clone(), (job.clone(), execution));
        }
    }

    /// The search for jobs of lost claims, which the worker has begun, finds leases of these jobs, under their latest executions.
    pub(super) fn search_finds(&mut self, jobs: &[&str]) {
        self.end_search();
        let found = jobs.iter().map(|id| &self.executions[*id]);
        let found = found.map(|(job, execution)| job.found(execution, self.now)).collect();
        self.tell(Input::LostClaimsFetched(Ok(found)));
    }

    /// The search for jobs of lost claims, which the worker has begun, fails.
    pub(super) fn search_fails(&mut self) {
        self.end_search();
        self.tell(Input::LostClaimsFetched(Err(connection_broke())));
    }

    fn end_search(&mut self) {
        assert!(std::mem::take(&mut self.is_searching), "the worker searches for no job");
    }

    pub(super) fn probed(&mut self, is_usable: bool) {
        self.tell(Input::Probed(is_usable));
    }

    // Watchers.

    /// The watcher of a queue has moved an id to the intermediate list.
    pub(super) fn popped(&mut self, queue: &str, id: &str) {
        let queue = self.queue(queue);
        self.tell(Input::Popped(PoppedId { queue, id: id.as_bytes().to_vec() }));
    }

    pub(super) fn pop_timed_out(&mut self, queue: &str) {
        let queue = self.queue(queue);
        self.tell(Input::PopTimedOut { queue });
    }

    pub(super) fn pop_failed(&mut self, queue: &str, error: Error) {
        let queue = self.queue(queue);
        self.tell(Input::PopFailed { queue, error });
    }

    fn queue(&self, name: &str) -> usize {
        self.names.queues.iter().position(|queue| queue == name).expect("the worker has no such queue")
    }

    // Runs.

    /// The thread of a job's latest run returns.
    pub(super) fn ends(&mut self, job: &str, outcome: Outcome) {
        let run = *self.runs.get(job).unwrap_or_else(|| panic!("{job} has not begun"));
        self.tell(Input::RunEnded { run, outcome });
    }

    /// A run writes a field of its job.
    pub(super) fn writes(&mut self, job: &str, name: &'static str, value: &str) {
        let execution = self.executions[job].1.clone();
        let field = JobField { id: job.to_owned(), execution, name };
        self.tell(Input::FieldUpdate(field, value.as_bytes().to_vec()));
    }

    /// The pool gives runs back that wait for a thread, the latest first.
    pub(super) fn recalled(&mut self, jobs: &[&str]) {
        self.tell(Input::Recalled(jobs.iter().map(|job| self.runs[*job]).collect()));
    }

    // Orders.

    /// The first stop signal.
    pub(super) fn drains(&mut self) {
        self.phase = Phase::Draining;
        self.stopper_changed();
    }

    /// The second stop signal.
    pub(super) fn terminates(&mut self) {
        self.phase = Phase::Terminating;
        self.stopper_changed();
    }

    pub(super) fn becomes_quiet(&mut self) {
        self.is_quiet = true;
        self.stopper_changed();
    }

    pub(super) fn continues(&mut self) {
        self.is_quiet = false;
        self.stopper_changed();
    }

    fn stopper_changed(&mut self) {
        self.tell(Input::StopperChanged { phase: self.phase, is_quiet: self.is_quiet });
    }

    /// RQ's command `stop-job`.
    pub(super) fn stop_job(&mut self, job: &str) {
        self.tell(Input::Control(ControlMessage::Stop { job: job.to_owned(), execution: None }));
    }

    /// RQ's command `kill-horse`.
    pub(super) fn kill_horse(&mut self) {
        self.tell(Input::Control(ControlMessage::Kill));
    }

    pub(super) fn wakes(&mut self) {
        self.tell(Input::Wake);
    }

    // The loop.

    /// Several things happen at the same moment, before the worker can do anything.
    pub(super) fn at_once(&mut self, happens: impl FnOnce(&mut Self)) {
        self.is_holding = true;
        happens(self);
        self.is_holding = false;
        self.settle();
    }

    pub(super) fn tell(&mut self, input: Input) {
        if self.alone.is_some() {
            self.deferred.push(input);
        } else {
            self.engine.handle(self.now, input);
            self.settle();
        }
    }

    fn settle(&mut self) {
        let mut count = 0;
        while !self.is_occupied() {
            let Some(action) = self.engine.poll(self.now) else { break };
            self.record(&action);
            count += 1;
            assert!(count < MAX_ACTIONS, "it never ends: {:?}", self.actions);
        }
        if self.is_occupied() {
            return;
        }
        assert!(
            self.next_wake().is_none_or(|at| at > self.now.instant),
            "there is nothing to do, and no rest"
        );
    }

    fn is_occupied(&self) -> bool {
        self.alone.is_some() || self.is_holding || self.has_stopped
    }

    fn record(&mut self, action: &Action) {
        let mut text = text::of_action(action, &self.names);
        match action {
            Action::Send { exchange, is_alone } => {
                self.in_flight.push(*exchange);
                self.alone = is_alone.then_some(*exchange);
                text = format!("send {}", text::of_exchange(self.exchange(*exchange), &self.names));
            }
            Action::Start(start) => {
                self.runs.insert(start.info.id.clone(), start.run);
                self.names.runs.insert(start.run, start.info.id.clone());
            }
            Action::FetchLostClaims(_) => self.is_searching = true,
            Action::Stop(_) => self.has_stopped = true,
            _ => {}
        }
        self.actions.push(text);
    }

    fn exchange(&self, id: ExchangeId) -> &Exchange {
        self.engine.exchange(id).expect("the exchange is in flight")
    }
}

/// Names of queues, for [`Rig::with`].
pub(super) fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).into()
}
