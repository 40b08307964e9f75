//! Runs: from the engine's start to the outcome that a thread hands over.

use super::super::clock::micros_of;
use super::super::coverage::Mark;
use super::super::defect::Defect;
use super::super::events::WorldEvent;
use super::super::ledger::{Check, SeenEnd, hold, number_of};
use super::super::plan::RunEnd;
use super::World;
use super::process::{SimulatedRun, timeout_of};
use crate::job::{Outcome, RetryDirective};
use crate::worker::engine::Start;
use crate::worker::input::Input;
use crate::worker::run::{JobField, RunId};

/// With at least this many slots a worker may prefetch.
const PREFETCH_MIN_SLOTS: usize = 16;

impl World<'_> {
    /// The engine gives a run to the pool.
    pub(super) fn start_run(&mut self, worker: usize, start: Start) -> Check {
        let Start { run, queue, info, job, deadline, is_supervised } = start;
        self.redis.ledger.on_started(&info.execution_id, worker)?;
        let process = &mut self.processes[worker];
        process.started += 1;
        let member = format!("{}:{}", info.id, info.execution_id);
        process.executions.push(info.execution_id.clone());
        if self.redis.defect != Some(Defect::LeaseIsNotTracked) || run.0 % 2 == 0 {
            process.leases.insert(member.clone(), (queue, run));
        }
        let is_timed = deadline.map(micros_of).is_some();
        process.runs.insert(
            run,
            SimulatedRun {
                execution: info.execution_id,
                member,
                job: number_of(&info.id),
                handler: job.record.handler,
                timeout: timeout_of(info.timeout).filter(|_| is_timed && is_supervised),
                is_supervised,
                is_canceled: false,
                retires: false,
                is_abandoned: false,
                has_begun: false,
                nth: 0,
                ends_at: 0,
                is_cut_short: false,
            },
        );
        process.pool.stage(run);
        self.check_start(worker, run)
    }

    /// A worker has not more runs than its options allow.
    fn check_start(&self, worker: usize, run: RunId) -> Check {
        let process = &self.processes[worker];
        let active = || process.runs.values().filter(|run| !run.is_abandoned);
        let slots = process.plan.slots;
        let max = if slots >= PREFETCH_MIN_SLOTS { slots * 2 } else { slots };
        hold(active().count() <= max, "a worker has no more runs than slots", || format!("worker {worker}"))?;
        let max_jobs = process.plan.max_jobs.unwrap_or(u64::MAX);
        hold(process.started <= max_jobs, "a worker runs no more jobs than it may", || {
            format!("worker {worker}")
        })?;
        let handler = &process.runs[&run].handler;
        let limit = handler.as_ref().and_then(|name| process.options.handler_concurrency.get(name)).copied();
        let same = active().filter(|other| other.handler == *handler).count();
        hold(limit.is_none_or(|max| same <= max), "a handler has no more runs than its limit", || {
            format!("worker {worker}: {same} of {handler:?}")
        })
    }

    /// Gives the started runs to threads.
    pub(super) fn submit_runs(&mut self, worker: usize) -> Check {
        let process = &mut self.processes[worker];
        let max = process.engine.max_threads();
        for run in process.pool.submit(max) {
            self.begin(worker, run)?;
        }
        Ok(())
    }

    /// A thread takes a run.
    fn begin(&mut self, worker: usize, id: RunId) -> Check {
        let process = &mut self.processes[worker];
        // An abandoned run stays in the pool until a thread has taken it.
        let Some(run) = process.runs.get_mut(&id) else { return Ok(()) };
        let delay = process.rng.u64(5..60);
        if run.is_canceled {
            run.ends_at = self.now + delay;
            self.events.add(run.ends_at, WorldEvent::RunEnds(worker, id));
            return Ok(());
        }
        run.has_begun = true;
        let (job, execution) = (run.job, run.execution.clone());
        if self.job_runs.len() <= job {
            self.job_runs.resize(job + 1, 0);
        }
        run.nth = self.job_runs[job];
        self.job_runs[job] += 1;
        let others = self.live_runs_of(job);
        self.redis.ledger.on_begun(&execution, &others)?;
        let plan = self.lookup.run(job, self.job_runs[job] - 1);
        let run = self.processes[worker].runs.get_mut(&id);
        let Some(run) = run else { return Ok(()) };
        let mut lasts = plan.lasts;
        if let Some(timeout) = run.timeout.filter(|timeout| *timeout < lasts) {
            (lasts, run.is_cut_short) = (timeout, true);
            self.redis.ledger.coverage.count(Mark::TimedOutSupervised);
        }
        run.ends_at = self.now + lasts + delay;
        if plan.writes {
            self.events.add(self.now + lasts / 2, WorldEvent::RunWrites(worker, id));
        }
        self.events.add(run.ends_at, WorldEvent::RunEnds(worker, id));
        Ok(())
    }

    /// The executions of runs of a job that go on, in all workers.
    fn live_runs_of(&self, job: usize) -> Vec<String> {
        let alive =
            self.processes.iter().zip(&self.redis.ledger.workers).filter(|(_, health)| health.is_alive);
        let runs = alive.flat_map(|(process, _)| process.runs.values());
        let is_live =
            |run: &&super::process::SimulatedRun| run.job == job && run.has_begun && !run.is_canceled;
        runs.filter(is_live).map(|run| run.execution.clone()).collect()
    }

    /// A run writes a field of its job.
    pub(super) fn on_run_writes(&mut self, worker: usize, id: RunId) {
        let Some(run) = self.processes[worker].runs.get(&id) else { return };
        let field = JobField {
            id: super::super::ledger::id_of(run.job),
            execution: run.execution.clone(),
            name: "log",
        };
        let value = run.execution.clone().into_bytes();
        self.deliver(worker, Input::FieldUpdate(field, value));
    }

    /// A run is over.
    pub(super) fn on_run_ends(&mut self, worker: usize, id: RunId) -> Check {
        let Some(run) = self.processes[worker].runs.get(&id).filter(|run| run.ends_at <= self.now) else {
            return Ok(());
        };
        let (retires, is_abandoned) = (run.retires, run.is_abandoned);
        let (outcome, seen) = self.outcome_of(run);
        let execution = run.execution.clone();
        self.redis.ledger.on_ended(&execution, seen)?;
        let process = &mut self.processes[worker];
        if is_abandoned {
            process.runs.remove(&id);
        } else if let Some(run) = process.runs.get_mut(&id) {
            (run.ends_at, run.has_begun) = (u64::MAX, false);
        }
        let (next, wakes) = process.pool.end(id, outcome, retires);
        if wakes {
            let delay = process.rng.u64(1..20);
            self.wake(worker, self.now + delay);
        }
        next.map_or(Ok(()), |next| self.begin(worker, next))
    }

    fn outcome_of(&self, run: &SimulatedRun) -> (Outcome, SeenEnd) {
        let error = "boom".to_owned();
        if !run.has_begun {
            return (Outcome::Interrupted, SeenEnd::Skipped);
        }
        if run.is_cut_short {
            let outcome = match run.is_canceled {
                true => Outcome::Failed { error, directive: RetryDirective::GiveUp },
                false => Outcome::TimedOut { error },
            };
            return (outcome, SeenEnd::Failed);
        }
        let failed = |directive| Outcome::Failed { error: "boom".to_owned(), directive };
        match self.lookup.run(run.job, run.nth).end {
            RunEnd::Return => (Outcome::Returned(run.execution.clone().into_bytes()), SeenEnd::Returned),
            RunEnd::Fail => (failed(RetryDirective::UsePolicy), SeenEnd::Failed),
            RunEnd::RetryAfter(seconds) => {
                let delay = Some(std::time::Duration::from_secs(seconds));
                (failed(RetryDirective::RetryAfter(delay)), SeenEnd::Failed)
            }
            RunEnd::Snooze(delay) => {
                let delay = std::time::Duration::from_millis(delay);
                (failed(RetryDirective::Snooze(delay)), SeenEnd::Snoozed)
            }
            RunEnd::GiveUp => (failed(RetryDirective::GiveUp), SeenEnd::Failed),
            RunEnd::Crash if run.is_supervised => (Outcome::KilledFromOutside { error }, SeenEnd::Killed),
            RunEnd::Crash => (Outcome::Crashed { error }, SeenEnd::Failed),
        }
    }

    /// Takes the runs back that wait for a thread.
    pub(super) fn recall(&mut self, worker: usize) {
        let process = &mut self.processes[worker];
        let mut recalled = process.pool.recall();
        if self.redis.defect == Some(Defect::BegunAreRecalled) {
            let begun = process.runs.iter().filter(|(_, run)| run.has_begun && !run.is_abandoned);
            recalled.extend(begun.map(|(id, _)| *id).next());
        }
        for run in &recalled {
            if let Some(run) = process.runs.remove(run) {
                process.leases.remove(&run.member);
            }
        }
        process.started -= recalled.len() as u64;
        self.redis.ledger.coverage.add(Mark::Recalled, recalled.len() as u64);
        if self.has_defect(Defect::RecalledAreDropped) {
            recalled.clear();
        }
        self.handle(worker, Input::Recalled(recalled));
    }

    /// Sets the cancel flag of a run, at the engine's request.
    pub(super) fn cancel(&mut self, worker: usize, id: RunId) {
        self.redis.ledger.on_controlled(&self.processes[worker].executions[id.0 as usize]);
        if !self.has_defect(Defect::CancelIsIgnored) {
            self.set_cancel_flag(worker, id);
        }
    }

    pub(super) fn set_cancel_flag(&mut self, worker: usize, id: RunId) {
        let process = &mut self.processes[worker];
        let delay = process.rng.u64(1..20_000);
        let Some(run) = process.runs.get_mut(&id) else { return };
        if std::mem::replace(&mut run.is_canceled, true) || !run.has_begun {
            return;
        }
        let (is_supervised, ends_at, job, nth) = (run.is_supervised, self.now + delay, run.job, run.nth);
        if (is_supervised || self.lookup.run(job, nth).is_cooperative)
            && let Some(run) = self.processes[worker].runs.get_mut(&id)
            && run.ends_at > ends_at
        {
            (run.ends_at, run.is_cut_short) = (ends_at, true);
            self.events.add(ends_at, WorldEvent::RunEnds(worker, id));
        }
    }

    /// The engine leaves a run to its thread.
    pub(super) fn abandon(&mut self, worker: usize, id: RunId, is_replaced: bool) {
        self.count(if is_replaced { Mark::AbandonedReplaced } else { Mark::Abandoned });
        self.redis.ledger.on_abandoned(&self.processes[worker].executions[id.0 as usize]);
        let process = &mut self.processes[worker];
        if let Some(run) = process.runs.get_mut(&id) {
            (run.is_abandoned, run.retires) = (true, is_replaced);
            process.leases.remove(&run.member);
        }
    }
}
