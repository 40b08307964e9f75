//! The leases of running jobs: the scripts `heartbeat`, as far as it renews leases, and `expired_leases`.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::mutation::Mutation;
use super::place::{Place, job_of};
use super::state::RedisModel;
use crate::job::{RawHash, iso};
use crate::recover::{LEASE_SCAN_LIMIT, MAX_RECOVERED};

impl RedisModel {
    /// Renews leases, given by the queue and `<job>:<execution>`, and restores those that were deleted while the job's
    /// record still names their execution. Returns the leases that the worker has lost.
    pub(in crate::worker::simulation) fn heartbeat<'a>(
        &mut self,
        worker: &str,
        lease: Duration,
        last_heartbeat: DateTime<Utc>,
        leases: impl IntoIterator<Item = (usize, &'a str)>,
    ) -> Vec<String> {
        let (mut lost, now) = (Vec::new(), iso(last_heartbeat));
        for (queue, member) in leases {
            let (id, execution) = member.rsplit_once(':').unwrap_or((member, ""));
            let has_lease = self.score(queue, Place::Wip, member).is_some();
            let seconds = self.execution_ttl(lease);
            if has_lease || self.is_named_in_record(id, execution, worker) {
                if !self.has(Mutation::LeaseIsNotRenewed) {
                    self.add(queue, Place::Wip, member, self.lease_end(lease));
                }
                self.write_execution(id, execution, Some(worker).filter(|_| !has_lease), seconds);
                self.write_execution_of_worker(member, worker, !has_lease, seconds);
                if self.is_rq() && self.record(id).is_some() {
                    self.set_texts(id, [("last_heartbeat", &now)]);
                }
            } else {
                lost.push(member.to_owned());
                if self.executions.contains_key(member) {
                    self.write_execution(id, execution, None, seconds);
                    self.write_execution_of_worker(member, worker, false, seconds);
                }
            }
        }
        lost
    }

    fn is_named_in_record(&self, id: &str, execution: &str, worker: &str) -> bool {
        let is_named = self.has_field(id, "status", "started")
            && self.has_field(id, "execution_id", execution)
            && self.has_field(id, "worker_name", worker);
        is_named || self.has(Mutation::LostLeaseIsRestored)
    }

    /// Leases that have expired, with the records of their jobs, in the order of their ends.
    pub(in crate::worker::simulation) fn expired_leases(&self, queue: usize) -> Vec<(String, RawHash)> {
        let (now, margin) = (self.now_seconds(), self.dialect.expired_score_margin().as_secs());
        let until =
            if self.has(Mutation::RecoveryTakesLiveLeases) { f64::INFINITY } else { now + margin as f64 };
        let mut expired = Vec::new();
        for (score, member) in self.set(queue, Place::Wip).up_to(until).take(LEASE_SCAN_LIMIT) {
            let fields = self.record(job_of(member));
            let execution = member.rsplit_once(':').map(|(_, execution)| execution.as_bytes());
            let is_ours =
                || execution.is_some() && fields.and_then(|fields| fields.get("execution_id")) == execution;
            if score <= now || is_ours() {
                expired.push((member.to_owned(), fields.cloned().unwrap_or_default()));
            }
            if expired.len() >= MAX_RECOVERED {
                break;
            }
        }
        expired
    }
}
