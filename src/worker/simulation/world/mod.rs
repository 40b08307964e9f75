//! A world: Redis, the workers and their users in virtual time. Everything that happens follows from the plan.

mod calls;
mod exchanges;
mod finale;
mod heartbeats;
mod items;
mod lookup;
mod pool;
mod process;
mod runs;
mod turn;
mod upkeep;
mod watching;

use self::lookup::Lookup;
use self::process::Process;
use super::clock::{Micros, SECOND};
use super::coverage::{Coverage, Mark};
use super::defect::Defect;
use super::events::{EventQueue, WorldEvent};
use super::ledger::{Check, Violation, hold};
use super::model::Mutation;
use super::plan::Plan;
use super::redis::SimulatedRedis;
use super::trace::Trace;

/// Limit of the events of a schedule.
const MAX_STEPS: u64 = 50_000;

/// A fault that a test puts into a world beside the plan.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sabotage {
    pub(super) defect: Option<Defect>,
    pub(super) mutation: Option<Mutation>,
}

/// The end of a schedule.
pub(super) struct Report {
    pub(super) violation: Option<Violation>,
    pub(super) coverage: Coverage,
    pub(super) trace: Trace,
}

pub(super) struct World<'a> {
    plan: &'a Plan,
    lookup: Lookup<'a>,
    now: Micros,
    events: EventQueue,
    redis: SimulatedRedis,
    processes: Vec<Process>,
    /// Number of runs of each job that have begun.
    job_runs: Vec<usize>,
    have_faults_stopped: bool,
    /// The time at which the last workers were told to stop.
    stopped_at: Option<Micros>,
    is_over: bool,
    trace: Trace,
}

/// Carries out a plan.
pub(super) fn run(plan: &Plan, sabotage: Sabotage, trace: Trace) -> Report {
    let mut world = World {
        plan,
        lookup: Lookup::new(plan),
        now: 0,
        events: EventQueue::default(),
        redis: SimulatedRedis::new(plan),
        processes: Vec::new(),
        job_runs: Vec::new(),
        have_faults_stopped: false,
        stopped_at: None,
        is_over: false,
        trace,
    };
    world.redis.defect = sabotage.defect;
    world.redis.model.mutation = sabotage.mutation;
    let violation = world.run().err();
    world.redis.ledger.coverage.count(Mark::Schedules);
    Report { violation, coverage: world.redis.ledger.coverage, trace: world.trace }
}

impl World<'_> {
    fn run(&mut self) -> Check {
        for (index, item) in self.plan.items.iter().enumerate() {
            if let Some(at) = item.at() {
                self.events.add(at, WorldEvent::Item(index));
            }
        }
        self.events.add(self.plan.end, WorldEvent::FaultsStop);
        let mut steps = 0;
        while let Some((at, event)) = self.events.next()
            && !self.is_over
        {
            steps += 1;
            hold(steps < MAX_STEPS, "a schedule ends", || format!("at {} s", self.now / SECOND))?;
            self.now = at;
            self.redis.set_now(at);
            self.step(event)?;
            self.redis
                .model
                .check()
                .map_err(|details| Violation { rule: "each job is in one place", details })?;
            self.serve_watchers();
        }
        self.redis.ledger.coverage.add(Mark::Steps, steps);
        Ok(())
    }

    fn step(&mut self, event: WorldEvent) -> Check {
        if let Some(index) = event.needs_process() {
            let health = &self.redis.ledger.workers[index];
            if !health.is_alive {
                return Ok(());
            }
            if health.is_frozen {
                self.processes[index].frozen.push(event);
                return Ok(());
            }
        }
        match event {
            WorldEvent::Item(item) => self.on_item(item)?,
            WorldEvent::Turn(worker) => self.on_turn(worker)?,
            WorldEvent::Arrive(worker, exchange) => self.on_arrive(worker, exchange)?,
            WorldEvent::Reply(worker, exchange) => self.on_reply(worker, exchange)?,
            WorldEvent::Deliver(worker, input) => self.deliver(worker, *input),
            WorldEvent::CallArrives(worker) => self.on_call_arrives(worker),
            WorldEvent::CallReturns(worker) => self.on_call_returns(worker)?,
            WorldEvent::RunEnds(worker, run) => self.on_run_ends(worker, run)?,
            WorldEvent::RunWrites(worker, run) => self.on_run_writes(worker, run),
            WorldEvent::HeartbeatTick(worker) => self.on_heartbeat_tick(worker),
            WorldEvent::HeartbeatArrives(worker) => self.on_heartbeat_arrives(worker)?,
            WorldEvent::HeartbeatReturns(worker, is_success, lost) => {
                self.on_heartbeat_returns(worker, is_success, &lost);
            }
            WorldEvent::Promote(worker) => self.on_promote(worker),
            WorldEvent::Recover(worker) => self.on_recover(worker)?,
            WorldEvent::RecoverFinishes(worker, completions) => {
                self.on_recover_finishes(worker, completions)?;
            }
            WorldEvent::PutBackOrphans(worker) => self.on_put_back_orphans(worker)?,
            WorldEvent::WatcherArrives(worker, queue, wait) => self.on_watcher_arrives(worker, queue, wait),
            WorldEvent::WatcherTimesOut(worker, queue, wait) => {
                self.on_watcher_times_out(worker, queue, wait);
            }
            WorldEvent::CheckStopped(worker, told_at) => self.on_check_stopped(worker, told_at)?,
            WorldEvent::Resume(worker) => self.resume(worker),
            WorldEvent::RedisIsBack => self.on_redis_is_back(),
            WorldEvent::FaultsStop => self.on_faults_stop(),
            WorldEvent::EnqueueLast(job) => self.on_enqueue_last(job)?,
            WorldEvent::CheckEnd => self.on_check_end()?,
        }
        Ok(())
    }

    fn has_defect(&self, defect: Defect) -> bool {
        self.redis.defect == Some(defect)
    }

    fn count(&mut self, mark: Mark) {
        self.redis.ledger.coverage.count(mark);
    }
}
