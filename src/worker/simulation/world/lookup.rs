//! What is planned for an exchange, a heartbeat or a run, found without a search through the plan.

use std::collections::{BTreeMap, BTreeSet};

use super::super::clock::{MILLISECOND, Micros};
use super::super::plan::{ExchangeFault, JobPlan, Plan, Planned, RunEnd, RunPlan};

/// A run of a job without a plan.
const SHORT_RUN: RunPlan =
    RunPlan { lasts: MILLISECOND, end: RunEnd::Return, is_cooperative: true, writes: false };

/// Number of runs of a job that asks for a retry each time, and is repeated.
const MAX_RUNS: u64 = 12;

#[derive(Default)]
pub(super) struct Lookup<'a> {
    exchanges: BTreeMap<(usize, u64), ExchangeFault>,
    heartbeats: BTreeSet<(usize, u64)>,
    jobs: BTreeMap<usize, &'a JobPlan>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut lookup = Lookup::default();
        for item in &plan.items {
            match item {
                Planned::Exchange { worker, exchange, fault } => {
                    lookup.exchanges.insert((*worker, *exchange), *fault);
                }
                Planned::Heartbeat { worker, heartbeat } => {
                    lookup.heartbeats.insert((*worker, *heartbeat));
                }
                Planned::Enqueue { job, .. } => {
                    lookup.jobs.insert(job.number, job);
                }
                Planned::Start { .. }
                | Planned::Worker { .. }
                | Planned::Redis { .. }
                | Planned::User { .. } => {}
            }
        }
        lookup
    }

    /// The faults stop.
    pub(super) fn forget_faults(&mut self) {
        self.exchanges.clear();
        self.heartbeats.clear();
    }

    pub(super) fn fault(&self, worker: usize, exchange: u64) -> Option<ExchangeFault> {
        self.exchanges.get(&(worker, exchange)).copied()
    }

    pub(super) fn fails(&self, worker: usize, heartbeat: u64) -> bool {
        self.heartbeats.contains(&(worker, heartbeat))
    }

    pub(super) fn job(&self, number: usize) -> Option<&'a JobPlan> {
        self.jobs.get(&number).copied()
    }

    /// The number that follows those of all jobs.
    pub(super) fn next_number(&self) -> usize {
        self.jobs.keys().next_back().map_or(0, |last| last + 1)
    }

    /// Time that all runs need one after the other, with all retries and repetitions.
    pub(super) fn longest_work(&self) -> Micros {
        self.jobs.values().flat_map(|job| &job.runs).map(|run| run.lasts * MAX_RUNS).sum()
    }

    /// The plan of the n-th run of a job.
    pub(super) fn run(&self, job: usize, nth: usize) -> &'a RunPlan {
        let runs = self.job(job).map_or(&[][..], |job| &job.runs);
        runs.get(nth).or(runs.last()).unwrap_or(&SHORT_RUN)
    }
}
