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

impl World<'_> {
    pub(super) fn call(&mut self, worker: usize, call: LoopCall) {
        let process = &mut self.processes[worker];
        process.call = Some(call);
        let delay = process.latency();
        self.events.add(self.now + delay, WorldEvent::CallArrives(worker));
    }

    pub(super) fn on_call_arrives(&mut self, worker: usize) {
        let is_up = self.redis.is_up;
        let found = match &self.processes[worker].call {
            Some(LoopCall::Fetch { claims, .. }) if is_up => Some(self.jobs_of_lost_claims(worker, claims)),
            _ => None,
        };
        let process = &mut self.processes[worker];
        let delay = if is_up { process.latency() } else { process.time_of_error() };
        match &mut process.call {
            Some(LoopCall::Fetch { found: result, .. }) => *result = found.map(|jobs| (self.now, Ok(jobs))),
            Some(LoopCall::Probe { is_usable }) => *is_usable = is_up,
            _ => {}
        }
        self.events.add(self.now + delay, WorldEvent::CallReturns(worker));
    }

    fn jobs_of_lost_claims(&self, worker: usize, claims: &[ExecutionRange]) -> Vec<ClaimedJob> {
        let (name, mut found) = (&self.processes[worker].name, Vec::new());
        if self.has_defect(Defect::LostClaimsAreNotFound) {
            return found;
        }
        for queue in 0..self.plan.queues {
            for (_, member) in self.redis.model.entries(queue, Place::Wip) {
                let Some((id, execution)) = member.rsplit_once(':') else { continue };
                if claims.iter().any(|claim| claim.contains(execution)) {
                    let fields = self.redis.model.record(id).cloned().unwrap_or_default();
                    found.push(job_of_lost_claim((id, execution), &fields, (queue, name), utc_at(self.now)));
                }
            }
        }
        found.sort_by(|a, b| a.execution.cmp(&b.execution));
        found
    }

    pub(super) fn on_call_returns(&mut self, worker: usize) -> Check {
        let input = match self.processes[worker].call.take() {
            Some(LoopCall::Fetch { found: Some((read_at, jobs)), .. }) => {
                self.redis.ledger.workers[worker].looked_up_at = Some(read_at);
                let count = jobs.as_ref().map_or(0, Vec::len) as u64;
                self.redis.ledger.coverage.add(Mark::LostClaimReclaimed, count);
                Input::LostClaimsFetched(jobs)
            }
            Some(LoopCall::Fetch { found: None, .. }) => Input::LostClaimsFetched(Err(unreachable())),
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
