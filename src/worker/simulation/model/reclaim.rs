//! The look for the jobs of lost claims, as `lost_claim_reader.rs` does it.

use chrono::{DateTime, Utc};

use super::place::Place;
use super::state::RedisModel;
use crate::claim::{ClaimedJob, ExecutionRange};
use crate::worker::lost_claim_reader::job_of_lost_claim;

impl RedisModel {
    /// The jobs that have leases of these executions of the worker, the oldest first.
    pub(in crate::worker::simulation) fn jobs_of_lost_claims(
        &self,
        worker: &str,
        claims: &[ExecutionRange],
        now: DateTime<Utc>,
    ) -> Vec<ClaimedJob> {
        let mut found = Vec::new();
        for queue in 0..self.queues.len() {
            for (_, member) in self.set(queue, Place::Wip).iter() {
                let Some((id, execution)) = member.rsplit_once(':') else { continue };
                if claims.iter().any(|claim| claim.contains(execution)) {
                    let fields = self.record(id).cloned().unwrap_or_default();
                    found.push(job_of_lost_claim((id, execution), &fields, (queue, worker), now));
                }
            }
        }
        found.sort_by(|a, b| a.execution.cmp(&b.execution));
        found
    }
}
