//! Calls for which the loop of a worker waits: a look for the jobs of lost claims, and a probe.

use super::super::clock::utc_at;
use super::super::coverage::Mark;
use super::super::defect::Defect;
use super::super::events::WorldEvent;
use super::super::ledger::Check;
use super::super::model::Place;
use super::super::redis::unreachable;
use super::World;
use super::process::LoopCall;
use crate::claim::{ClaimedJob, ExecutionRange};
use crate::worker::input::Input;
use crate::worker::lost_claim_reader::job_of_lost_claim;

/// A step of a look for the jobs of lost claims.
enum FetchStep {
    Leases(Vec<(usize, String)>),
    Records(Vec<ClaimedJob>),
    None,
}

impl World<'_> {
    pub(super) fn call(&mut self, worker: usize, call: LoopCall) {
        let process = &mut self.processes[worker];
        process.call = Some(call);
        let delay = process.latency();
        self.events.add(self.now + delay, WorldEvent::CallArrives(worker));
    }

    pub(super) fn on_call_arrives(&mut self, worker: usize) {
        let (is_up, now) = (self.redis.is_up, self.now);
        let step = match &self.processes[worker].call {
            Some(LoopCall::Fetch { claims, leases: None, .. }) if is_up => {
                FetchStep::Leases(self.leases_of(claims))
            }
            Some(LoopCall::Fetch { leases: Some((_, leases)), .. }) if is_up => {
                FetchStep::Records(self.jobs_of(worker, leases))
            }
            _ => FetchStep::None,
        };
        let process = &mut self.processes[worker];
        let delay = if is_up { process.latency() } else { process.time_of_error() };
        let mut next = WorldEvent::CallReturns(worker);
        match (&mut process.call, step) {
            (Some(LoopCall::Fetch { leases, .. }), FetchStep::Leases(found)) => {
                if !found.is_empty() {
                    next = WorldEvent::CallArrives(worker);
                }
                *leases = Some((now, found));
            }
            (Some(LoopCall::Fetch { found, .. }), FetchStep::Records(jobs)) => *found = Some(jobs),
            (Some(LoopCall::Fetch { leases, .. }), FetchStep::None) => *leases = None,
            (Some(LoopCall::Probe { is_usable }), _) => *is_usable = is_up,
            _ => {}
        }
        self.events.add(now + delay, next);
    }

    fn leases_of(&self, claims: &[ExecutionRange]) -> Vec<(usize, String)> {
        let mut leases = Vec::new();
        if self.has_defect(Defect::LostClaimsAreNotFound) {
            return leases;
        }
        for queue in 0..self.plan.queues {
            for (_, member) in self.redis.model.entries(queue, Place::Wip) {
                let execution = member.rsplit_once(':').map_or("", |(_, execution)| execution);
                if claims.iter().any(|claim| claim.contains(execution)) {
                    leases.push((queue, member.to_owned()));
                }
            }
        }
        leases
    }

    fn jobs_of(&self, worker: usize, leases: &[(usize, String)]) -> Vec<ClaimedJob> {
        let name = &self.processes[worker].name;
        let job = |(queue, member): &(usize, String)| {
            let (id, execution) = member.rsplit_once(':')?;
            let fields = self.redis.model.record(id).cloned().unwrap_or_default();
            Some(job_of_lost_claim((id, execution), &fields, (*queue, name), utc_at(self.now)))
        };
        let mut jobs: Vec<ClaimedJob> = leases.iter().filter_map(job).collect();
        jobs.sort_by(|a, b| a.execution.cmp(&b.execution));
        jobs
    }

    pub(super) fn on_call_returns(&mut self, worker: usize) -> Check {
        let input = match self.processes[worker].call.take() {
            Some(LoopCall::Fetch { leases: Some((read_at, _)), found, .. }) => {
                self.redis.ledger.workers[worker].looked_up_at = Some(read_at);
                let jobs = found.unwrap_or_default();
                self.redis.ledger.coverage.add(Mark::LostClaimReclaimed, jobs.len() as u64);
                Input::LostClaimsFetched(Ok(jobs))
            }
            Some(LoopCall::Fetch { leases: None, .. }) => Input::LostClaimsFetched(Err(unreachable())),
            Some(LoopCall::Probe { is_usable }) => Input::Probed(is_usable),
            Some(call @ LoopCall::Exchange(_)) => {
                self.processes[worker].call = Some(call);
                return Ok(());
            }
            None => return Ok(()),
        };
        self.handle(worker, input);
        self.carry_out_actions(worker)?;
        self.resume_turn(worker)
    }
}
