//! The loop of a worker, as the driver of the product has it: inputs in, actions out.

use super::super::clock::{Micros, SECOND, micros, micros_of, now_at};
use super::super::coverage::Mark;
use super::super::defect::Defect;
use super::super::events::WorldEvent;
use super::super::ledger::{Check, hold, id_of};
use super::super::model::Place;
use super::World;
use super::process::LoopCall;
use crate::error::{Error, Result};
use crate::job::Outcome;
use crate::worker::engine::{Action, Replies};
use crate::worker::event::Event;
use crate::worker::input::Input;
use crate::worker::phase::Phase;
use crate::worker::run::RunId;

/// Time in which a worker ends that was told to terminate: it waits for its watchers for 7 s.
const STOP_NOW_TIME: Micros = 10 * SECOND;
/// Limit of the actions of one turn.
const MAX_ACTIONS: usize = 10_000;

impl World<'_> {
    /// Lets the loop of a worker iterate at this time, or before.
    pub(super) fn wake(&mut self, worker: usize, at: Micros) {
        let at = at.max(self.now);
        let process = &mut self.processes[worker];
        if process.turn_at.is_none_or(|turn| turn > at) {
            process.turn_at = Some(at);
            self.events.add(at, WorldEvent::Turn(worker));
        }
    }

    /// A thread of the worker sends an input to its loop.
    pub(super) fn deliver(&mut self, worker: usize, input: Input) {
        self.processes[worker].inbox.push_back(input);
        let delay = self.processes[worker].rng.u64(0..30);
        self.wake(worker, self.now + delay);
    }

    pub(super) fn on_turn(&mut self, worker: usize) -> Check {
        let process = &mut self.processes[worker];
        // A turn that was planned for earlier than it comes was delayed while the process was frozen.
        if process.turn_at.is_none_or(|at| at > self.now) {
            return Ok(());
        }
        process.turn_at = None;
        if process.call.is_some() {
            return Ok(());
        }
        self.handle_inputs(worker);
        self.carry_out_actions(worker)
    }

    /// Gives the engine everything that has happened.
    pub(super) fn handle_inputs(&mut self, worker: usize) {
        let ended = self.processes[worker].pool.take_ended();
        while let Some(input) = self.processes[worker].inbox.pop_front() {
            self.handle(worker, input);
        }
        for (run, outcome) in ended {
            self.end_run(worker, run, outcome);
        }
    }

    /// Gives an input to the engine.
    pub(super) fn handle(&mut self, worker: usize, input: Input) {
        if let Input::StopperChanged { phase, is_quiet } = &input {
            self.redis.ledger.workers[worker].is_quiet = *is_quiet;
            self.enter_phase(worker, *phase);
        }
        if let Input::Replied { replies: Ok(Replies { claim: Some(Ok(claim)), .. }), .. } = &input {
            self.processes[worker].known_suspended.clone_from(&claim.suspended_queues);
        }
        self.trace.note(self.now, || format!("w{worker} <- {input:?}"));
        self.processes[worker].engine.handle(now_at(self.now), input);
    }

    /// The engine knows of a phase.
    fn enter_phase(&mut self, worker: usize, phase: Phase) {
        let health = &mut self.redis.ledger.workers[worker];
        if phase == Phase::Terminating && health.phase != Phase::Terminating {
            self.events.add(self.now + STOP_NOW_TIME, WorldEvent::CheckStopped(worker, self.now));
        }
        health.phase = health.phase.max(phase);
    }

    fn end_run(&mut self, worker: usize, run: RunId, outcome: Outcome) {
        let process = &mut self.processes[worker];
        if let Some(run) = process.runs.remove(&run) {
            process.leases.remove(&run.member);
        }
        if self.has_defect(Defect::EndIsDropped) && run.0 % 4 == 3 {
            return;
        }
        self.handle(worker, Input::RunEnded { run, outcome });
    }

    /// Carries out the actions of the engine, until there is none or one of them waits for Redis.
    pub(super) fn carry_out_actions(&mut self, worker: usize) -> Check {
        let mut actions = 0;
        while let Some(action) = self.processes[worker].engine.poll(now_at(self.now)) {
            actions += 1;
            hold(actions < MAX_ACTIONS, "the engine does not spin", || {
                format!("worker {worker}: {action:?}")
            })?;
            self.trace.note(self.now, || format!("w{worker} -> {action:?}"));
            if let Action::Stop(result) = action {
                return self.on_stop(worker, &result);
            }
            self.carry_out(worker, action)?;
            if self.processes[worker].call.is_some() {
                return self.submit_runs(worker);
            }
        }
        self.submit_runs(worker)?;
        self.plan_next_turn(worker)
    }

    fn plan_next_turn(&mut self, worker: usize) -> Check {
        let process = &mut self.processes[worker];
        let wake_at = process.engine.wake_at().map(micros_of);
        hold(
            wake_at.is_none_or(|at| at > self.now),
            "after all actions the engine waits for a later moment",
            || format!("worker {worker} at {}: {wake_at:?}", self.now),
        )?;
        let count = process.engine.ends_until_send();
        if count.is_some_and(|count| !process.pool.arm_notification(count)) {
            self.wake(worker, self.now + 1);
        } else if let Some(at) = wake_at {
            self.wake(worker, at);
        }
        Ok(())
    }

    fn carry_out(&mut self, worker: usize, action: Action) -> Check {
        match action {
            Action::Send { exchange, is_alone } => return self.send(worker, exchange, is_alone),
            Action::Start(start) => return self.start_run(worker, *start),
            Action::Recall => self.recall(worker),
            Action::Cancel(run) => self.cancel(worker, run),
            Action::Abandon { run, is_replaced } => self.abandon(worker, run, is_replaced),
            Action::ArmWatcher(queue) => self.arm_watcher(worker, queue),
            Action::UnblockWatchers => self.unblock_watchers(worker),
            Action::FetchLostClaims(claims) => {
                self.call(worker, LoopCall::Fetch { claims, leases: None, found: None });
            }
            Action::Probe => {
                self.count(Mark::Probed);
                self.call(worker, LoopCall::Probe { is_usable: false });
            }
            Action::Terminate => {
                self.count(Mark::GraceOver);
                self.change_stopper(worker, Phase::Terminating, None);
                self.enter_phase(worker, Phase::Terminating);
            }
            Action::Report(acknowledged) => {
                for (completion, ack) in acknowledged {
                    self.redis.ledger.on_reported(&completion, ack)?;
                }
            }
            Action::Emit(Event::Trouble { retry_in, .. }) => {
                let health = &mut self.redis.ledger.workers[worker];
                health.backs_off_until = health.backs_off_until.max(self.now + micros(retry_in));
            }
            Action::Emit(_) | Action::Stop(_) => {}
        }
        Ok(())
    }

    /// Changes what the stopper asks for, and tells the worker's loop.
    pub(super) fn change_stopper(&mut self, worker: usize, phase: Phase, quiet: Option<bool>) {
        let process = &mut self.processes[worker];
        process.phase = process.phase.max(phase);
        process.is_quiet = quiet.unwrap_or(process.is_quiet);
        let is_dropped = match self.redis.defect {
            Some(Defect::StopIsNotTold) => phase == Phase::Draining,
            Some(Defect::ContinueIsNotTold) => quiet == Some(false),
            _ => false,
        };
        if is_dropped {
            return;
        }
        let input = Input::StopperChanged { phase: process.phase, is_quiet: process.is_quiet };
        self.deliver(worker, input);
    }

    /// Nothing holds up a worker that terminates, unless it was frozen.
    pub(super) fn on_check_stopped(&self, worker: usize, told_at: Micros) -> Check {
        let health = &self.redis.ledger.workers[worker];
        let was_frozen = health.thawed_at > told_at;
        hold(was_frozen, "a worker that terminates ends in bounded time", || {
            format!("worker {worker} {health:?}")
        })
    }

    fn on_stop(&mut self, worker: usize, result: &Result<()>) -> Check {
        let plan = &self.processes[worker].plan;
        let is_told = self.processes[worker].phase != Phase::Running;
        let mark = match result {
            Err(Error::Stuck { .. }) => Mark::WorkerStuck,
            Err(_) => Mark::WorkerGaveUp,
            Ok(()) if is_told => Mark::WorkerStopped,
            Ok(()) if plan.burst => Mark::BurstEnded,
            Ok(()) if plan.max_jobs.is_some_and(|max| self.processes[worker].started >= max) => {
                Mark::MaxJobsEnded
            }
            Ok(()) => Mark::IdleEnded,
        };
        let may_end = is_told || plan.burst || plan.max_jobs.is_some() || plan.max_idle.is_some();
        self.count(mark);
        hold(may_end || result.is_err(), "a worker ends for a reason", || format!("worker {worker}"))?;
        if result.is_ok() {
            self.redis.ledger.on_worker_ended(worker)?;
            self.check_burst(worker, is_told)?;
            self.check_watchers(worker)?;
        }
        self.end_process(worker);
        Ok(())
    }

    /// A watcher that still waits could pop an id whose job no worker would run.
    fn check_watchers(&self, worker: usize) -> Check {
        let (ledger, process) = (&self.redis.ledger, &self.processes[worker]);
        let since = self.now.saturating_sub(STOP_NOW_TIME);
        let had_outage = ledger.outages.last().is_some_and(|outage| outage.until > since);
        let was_frozen = ledger.workers[worker].thawed_at > since;
        let is_any_armed = process.watchers.iter().any(|watcher| watcher.is_armed);
        hold(!is_any_armed || had_outage || was_frozen, "no watcher waits when its worker ends", || {
            format!("worker {worker}")
        })
    }

    /// A burst worker leaves no job in a queue that it has put back itself.
    fn check_burst(&self, worker: usize, is_told: bool) -> Check {
        let plan = &self.processes[worker].plan;
        let may_leave_jobs = !plan.burst || is_told || plan.max_jobs.is_some() || plan.max_idle.is_some();
        // What counts is what the worker knows: the suspension may have ended since its last claim.
        let is_suspended = self.processes[worker].engine.worker_state() == Some("suspended");
        if may_leave_jobs || is_suspended || self.redis.model.all_suspended {
            return Ok(());
        }
        let known_suspended = &self.processes[worker].known_suspended;
        let may_give_jobs = |queue: usize| !self.redis.suspended[queue] && !known_suspended.contains(&queue);
        let mut jobs = self.redis.ledger.jobs.iter().enumerate();
        let left = jobs.find(|(number, job)| {
            let mut places = self.redis.model.places(&id_of(*number)).iter();
            let is_listed = places.any(|(queue, place)| *place == Place::List && may_give_jobs(*queue));
            job.returned_by == Some(worker) && job.is_expected && is_listed
        });
        hold(left.is_none(), "a burst worker runs what it has put back before it ends", || {
            format!("{left:?}")
        })
    }

    /// The process is over, with all its threads.
    pub(super) fn end_process(&mut self, worker: usize) {
        self.redis.ledger.workers[worker].is_alive = false;
        let process = &mut self.processes[worker];
        process.pool = Default::default();
        let delay = [0, 0, 5000, 1_500_000][process.rng.usize(..4)];
        self.redis.close_waits_of(worker, self.now + delay);
    }
}
