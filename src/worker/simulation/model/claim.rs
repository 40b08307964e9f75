//! The script `claim`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::mutation::Mutation;
use super::place::{End, Place, lease_member};
use super::state::RedisModel;
use crate::claim::{ClaimReply, ClaimRequest, ClaimedJob, PAYLOAD_BUDGET};
use crate::job::{RawHash, iso};

/// Statuses with which an id in a queue's list is taken for a waiting job.
const WAITING: [&str; 6] = ["queued", "created", "scheduled", "deferred", "rate_limited", "ready_to_enqueue"];
/// Statuses of ended jobs.
pub(super) const ENDED: [&str; 4] = ["finished", "failed", "stopped", "canceled"];
/// Number of ids that one command pops, and number of ids that are not claimed after which the script ends.
const MAX_IDS: usize = 1000;

impl RedisModel {
    /// Claims waiting jobs for a worker. A claim must not be repeated with the same executions.
    pub(in crate::worker::simulation) fn claim(
        &mut self,
        request: &ClaimRequest,
        worker: &str,
        lease: Duration,
    ) -> ClaimReply {
        let mut available = vec![None; self.queues.len()];
        for queue in &request.excluded_queues {
            available[*queue] = Some(false);
        }
        let claim = Claim { model: self, request, worker, lease, available, budget: PAYLOAD_BUDGET as i64 };
        claim.run()
    }

    /// Score of a lease that begins now.
    pub(super) fn lease_end(&self, lease: Duration) -> f64 {
        let seconds = (lease + self.dialect.lease_score_offset).as_secs_f64();
        if self.dialect.integer_scores {
            (self.seconds() as f64 + seconds).trunc()
        } else {
            milliseconds(self.now_seconds() + seconds)
        }
    }

    /// Time to live of an execution with such a lease.
    pub(super) fn execution_ttl(&self, lease: Duration) -> i64 {
        (lease + self.dialect.lease_score_offset).as_secs() as i64 + 60
    }
}

/// A score with three digits after the point.
pub(super) fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// One call of the script.
struct Claim<'a> {
    model: &'a mut RedisModel,
    request: &'a ClaimRequest,
    worker: &'a str,
    lease: Duration,
    /// For each queue, whether jobs may be claimed from it; `None` before the first check.
    available: Vec<Option<bool>>,
    budget: i64,
}

impl Claim<'_> {
    fn run(mut self) -> ClaimReply {
        let mut reply = ClaimReply::default();
        let all_suspended = self.model.all_suspended && !self.model.has(Mutation::SuspensionIsIgnored);
        let request = self.request;
        for popped in &request.popped_ids {
            let id = String::from_utf8_lossy(&popped.id);
            let has_slots = reply.jobs.len() < request.slots && !all_suspended;
            let is_available = self.check_queue(popped.queue, &mut reply);
            let is_listed = self.model.remove_from_list(popped.queue, Place::Intermediate, &id);
            if !is_listed && !self.model.has(Mutation::PoppedIdIsNotChecked) {
                continue;
            }
            if has_slots && is_available {
                self.claim_batch(popped.queue, vec![id.into_owned()], &mut reply);
            } else if !self.model.has(Mutation::PoppedIdIsDropped) {
                self.model.push(popped.queue, End::Front, &id);
            }
        }
        if all_suspended {
            reply.all_suspended = true;
            return reply;
        }
        reply.queues_are_empty = true;
        for queue in 0..self.model.queues.len() {
            self.claim_from(queue, &mut reply);
        }
        reply
    }

    fn claim_from(&mut self, queue: usize, reply: &mut ClaimReply) {
        while self.check_queue(queue, reply) {
            let free = self.request.slots.saturating_sub(reply.jobs.len());
            if free == 0 || self.budget <= 0 || reply.dropped.len() + reply.quarantined.len() >= MAX_IDS {
                reply.queues_are_empty = false;
                break;
            }
            let ids: Vec<String> = (0..free.min(MAX_IDS)).map_while(|_| self.model.pop(queue)).collect();
            if ids.is_empty() {
                break;
            }
            self.claim_batch(queue, ids, reply);
        }
    }

    fn check_queue(&mut self, queue: usize, reply: &mut ClaimReply) -> bool {
        *self.available[queue].get_or_insert_with(|| {
            let is_suspended =
                self.model.queues[queue].is_suspended && !self.model.has(Mutation::SuspensionIsIgnored);
            if is_suspended {
                reply.suspended_queues.push(queue);
            }
            !is_suspended
        })
    }

    /// Claims the jobs of these popped ids: all leases first, then the records.
    fn claim_batch(&mut self, queue: usize, ids: Vec<String>, reply: &mut ClaimReply) {
        let (mut ready, mut unclaimed, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        for id in ids {
            if self.budget <= 0 {
                unclaimed.push(id);
            } else if seen.contains(&id) {
                reply.dropped.push(id);
            } else if self.is_claimable(queue, &id, reply) {
                seen.insert(id.clone());
                ready.push(id);
            }
        }
        for id in unclaimed.iter().rev() {
            self.model.push(queue, End::Front, id);
        }
        for id in ready {
            self.claim_job(queue, &id, reply);
        }
    }

    /// Returns whether the job can be claimed. Any other id is dropped or quarantined.
    fn is_claimable(&mut self, queue: usize, id: &str, reply: &mut ClaimReply) -> bool {
        let model = &mut *self.model;
        let is_id =
            !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        let status = model.field(id, "status").map_or("queued", |status| match status {
            b"" => "created",
            status => std::str::from_utf8(status).unwrap_or("?"),
        });
        let has_entry = match status {
            "started" => {
                let execution = String::from_utf8_lossy(model.field(id, "execution_id").unwrap_or_default());
                model.score(queue, Place::Wip, &format!("{id}:{execution}")).is_some()
            }
            "scheduled" => model.score(queue, Place::Scheduled, id).is_some(),
            _ => false,
        };
        let has_moved_on =
            (ENDED.contains(&status) || has_entry) && !model.has(Mutation::ClaimIgnoresTheStatus);
        if is_id {
            self.budget -= model.field(id, "data").map_or(0, <[u8]>::len) as i64;
        }
        let is_known = WAITING.contains(&status) || ENDED.contains(&status) || status == "started";
        if !is_id || (!has_moved_on && !is_known) {
            model.add(queue, Place::Quarantine, id, model.seconds() as f64);
            reply.quarantined.push(id.to_owned());
            return false;
        }
        if has_moved_on || model.record(id).is_none() {
            reply.dropped.push(id.to_owned());
            return false;
        }
        true
    }

    fn claim_job(&mut self, queue: usize, id: &str, reply: &mut ClaimReply) {
        let execution = self.request.executions.nth(reply.jobs.len() as u32);
        let fields = self.model.record(id).cloned().unwrap_or_default();
        let is_new = fields.get("started_at").is_some_and(<[u8]>::is_empty);
        self.write_claim(queue, (id, &execution), &fields, is_new);
        let job = ClaimedJob::read(queue, (id, execution), fields, self.request.claimed_at, self.worker);
        reply.jobs.push(Ok(job));
    }

    fn write_claim(&mut self, queue: usize, (id, execution): (&str, &str), fields: &RawHash, is_new: bool) {
        let model = &mut *self.model;
        let member = lease_member(id, execution);
        if !model.has(Mutation::LeaseIsNotWritten) {
            model.add(queue, Place::Wip, &member, model.lease_end(self.lease));
        }
        if is_new {
            model.clear_run_fields(id);
            model.delete_fields(id, &["attempts"]);
        }
        let deliveries =
            fields.get("deliveries").and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
        let deliveries = deliveries.filter(|_| !is_new).unwrap_or(0_u64);
        let counted = if model.has(Mutation::DeliveriesAreNotCounted) { deliveries } else { deliveries + 1 };
        let (started_at, counted) = (iso(self.request.claimed_at), counted.to_string());
        let fields_of_run = [
            ("started_at", started_at.as_str()),
            ("worker_name", self.worker),
            ("execution_id", execution),
            ("deliveries", &counted),
        ];
        model.set_texts(id, fields_of_run);
        if !model.has(Mutation::ClaimForgetsTheStatus) {
            model.set_texts(id, [("status", "started")]);
        }
        if model.is_rq() || fields.get("ttl").is_some() {
            model.persist_record(id);
        }
        if model.is_rq() {
            model.set_texts(id, [("last_heartbeat", &started_at)]);
            let seconds = model.execution_ttl(self.lease);
            model.write_execution(id, execution, Some(self.worker), seconds);
            model.write_execution_of_worker(&member, self.worker, true, seconds);
        }
    }
}
