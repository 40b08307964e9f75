//! The script `finish`.

use super::claim::milliseconds;
use super::mutation::Mutation;
use super::place::{End, Place, lease_member};
use super::state::RedisModel;
use crate::completion::{Completion, Destination};
use crate::finish::FinishAck;

impl RedisModel {
    /// Writes one batch of [`finish::batches`](crate::finish::batches).
    pub(in crate::worker::simulation) fn finish(&mut self, batch: &[Completion]) -> Vec<FinishAck> {
        let has_lease: Vec<bool> = batch.iter().map(|completion| self.has_lease(completion)).collect();
        for (completion, has_lease) in batch.iter().zip(&has_lease) {
            if *has_lease && !self.has(Mutation::FinishKeepsTheLease) {
                let member = lease_member(&completion.id, &completion.execution);
                self.remove(completion.queue, Place::Wip, &member);
            }
        }
        batch
            .iter()
            .zip(has_lease)
            .map(|(completion, has_lease)| self.finish_one(completion, has_lease))
            .collect()
    }

    /// Returns whether the execution has a lease. In a recovery, one that was renewed does not count.
    fn has_lease(&self, completion: &Completion) -> bool {
        let member = lease_member(&completion.id, &completion.execution);
        let Some(lease_end) = self.score(completion.queue, Place::Wip, &member) else { return false };
        let is_renewed = completion
            .expired_score_margin
            .is_some_and(|margin| lease_end > self.now_seconds() + margin.as_secs_f64());
        !is_renewed || self.has(Mutation::RecoveryIgnoresRenewal)
    }

    fn finish_one(&mut self, completion: &Completion, has_lease: bool) -> FinishAck {
        if has_lease {
            return self.end_execution(completion);
        }
        if completion.expired_score_margin.is_some() {
            return FinishAck::Fenced;
        }
        match self.ack_without_lease(completion) {
            FinishAck::Done => self.end_execution(completion),
            ack => {
                self.delete_execution(&completion.id, &completion.execution, &completion.worker);
                ack
            }
        }
    }

    /// The reply for an execution without a lease; `Done` if it is still to be ended.
    fn ack_without_lease(&self, completion: &Completion) -> FinishAck {
        let id = &completion.id;
        let done_before = |is_same| match is_same {
            true if !self.has(Mutation::FinishNotRecognizedWhenRepeated) => FinishAck::AlreadyDone,
            _ => FinishAck::Fenced,
        };
        if !self.has_field(id, "execution_id", &completion.execution) {
            return FinishAck::Fenced;
        }
        if self.has_field(id, "status", "started") {
            let is_ours = self.has_field(id, "worker_name", &completion.worker);
            return if is_ours { FinishAck::Done } else { FinishAck::Fenced };
        }
        match completion.fields.iter().find(|(name, _)| *name == "ended_at") {
            Some((_, ended_at)) => done_before(self.field(id, "ended_at") == Some(ended_at)),
            None => done_before(self.has_field(id, "status", completion.status.as_str())),
        }
    }

    /// Ends an execution, whose lease is removed by now.
    fn end_execution(&mut self, completion: &Completion) -> FinishAck {
        let (id, is_recovery) = (completion.id.as_str(), completion.expired_score_margin.is_some());
        let has_entry = !completion.result_entry.is_empty();
        if self.is_fenced(completion) && !self.has(Mutation::FenceRemoved) {
            if self.field(id, "status").is_some() && !is_recovery {
                self.write_result(id, completion.result_ttl, !has_entry);
            }
            self.delete_execution(id, &completion.execution, &completion.worker);
            return FinishAck::Fenced;
        }
        self.delete_execution(id, &completion.execution, &completion.worker);
        self.set_texts(id, [("status", completion.status.as_str())]);
        self.set_fields(id, completion.fields.iter().map(|(name, value)| (*name, value.as_slice())));
        if is_recovery && !self.has(Mutation::RecoveryKeepsTheExecution) {
            self.delete_fields(id, &["execution_id"]);
        }
        if is_result_kept(completion) {
            self.write_result(id, completion.result_ttl, !has_entry);
        }
        if !self.has(Mutation::FinishLosesTheJob) {
            self.move_to(completion);
        }
        FinishAck::Done
    }

    /// Returns whether the job is not this execution's to end.
    fn is_fenced(&self, completion: &Completion) -> bool {
        let id = completion.id.as_str();
        if !self.has_field(id, "status", "started") {
            return true;
        }
        let Some(named) = self.field(id, "execution_id") else {
            return completion.expired_score_margin.is_none();
        };
        let has_lease = || {
            let member = format!("{id}:{}", String::from_utf8_lossy(named));
            self.score(completion.queue, Place::Wip, &member).is_some()
        };
        named != completion.execution.as_bytes() && (completion.expired_score_margin.is_none() || has_lease())
    }

    fn move_to(&mut self, completion: &Completion) {
        let (id, queue) = (completion.id.as_str(), completion.queue);
        match completion.destination {
            Destination::Finished { ttl } => {
                self.keep_ended((queue, Place::Finished), id, ttl, f64::INFINITY);
            }
            Destination::Failed { ttl } => {
                let forever = self.dialect.failed_forever.parse().unwrap_or_default();
                self.keep_ended((queue, Place::Failed), id, ttl, forever);
            }
            Destination::Scheduled { delay } => {
                let due = (self.now_seconds() + delay.as_secs_f64()).ceil();
                self.add(queue, Place::Scheduled, id, due);
            }
            Destination::Queue => self.push(queue, End::Back, id),
            Destination::QueueFront if self.has(Mutation::PutBackToTheBack) => {
                self.push(queue, End::Back, id);
            }
            Destination::QueueFront => self.push(queue, End::Front, id),
        }
    }

    /// Keeps an ended job for `ttl` seconds: -1 for ever, with its own score; 0 not at all.
    fn keep_ended(&mut self, (queue, registry): (usize, Place), id: &str, ttl: i64, forever: f64) {
        if ttl == 0 {
            self.delete_record(id);
            if self.is_rq() {
                self.delete_results(id);
            }
            return;
        }
        let score = match ttl {
            -1 => forever,
            _ if self.dialect.integer_scores => (self.seconds() + ttl) as f64,
            _ => milliseconds(self.now_seconds() + ttl as f64),
        };
        self.add(queue, registry, id, score);
        if ttl != -1 {
            self.expire_record(id, ttl);
        }
    }
}

/// Returns whether the run's result is kept. A finished run of a job that repeats is kept as long as its results.
fn is_result_kept(completion: &Completion) -> bool {
    let is_repeated = completion.fields.iter().any(|(name, _)| *name == "repeats_left");
    if is_repeated {
        return completion.result_ttl != Some(0);
    }
    match completion.destination {
        Destination::Finished { ttl } | Destination::Failed { ttl } => ttl != 0,
        Destination::Scheduled { delay } => !delay.is_zero(),
        Destination::Queue | Destination::QueueFront => false,
    }
}
