//! The scripts `enqueue` and `promote_due`.

use chrono::{DateTime, Utc};

use super::claim::milliseconds;
use super::mutation::Mutation;
use super::place::{End, Place};
use super::state::RedisModel;
use crate::enqueue_call::EncodedJob;
use crate::job::{Due, RawHash, iso};

/// Number of jobs that one call of `promote_due` takes.
const MAX_PROMOTED: usize = 100;

impl RedisModel {
    /// Stores a new job. Returns `false` if the id exists, and `true` also if this very job was stored before.
    pub(in crate::worker::simulation) fn enqueue(&mut self, queue: usize, job: &EncodedJob) -> bool {
        let id = job.id.as_str();
        let is_there = self.record(id).is_some();
        if is_there && !self.has(Mutation::ExistingIdIsEnqueued) {
            let created_at = job.fields.first().map(|(_, value)| value.as_slice());
            return self.field(id, "created_at") == created_at;
        }
        let due = job.due.as_ref().map(|due| self.due(due));
        let fields = job.fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone()));
        let delay = due.map_or(0, |(_, delay)| delay);
        self.store_record(id, RawHash(fields.collect()), job.ttl.map(|ttl| ttl + delay));
        match due {
            Some((score, _)) => self.add(queue, Place::Scheduled, id, score),
            None => self.push(queue, if job.at_front { End::Front } else { End::Back }, id),
        }
        true
    }

    /// The score of a scheduled job, and the seconds until it is due.
    fn due(&self, due: &Due) -> (f64, i64) {
        let at = match due {
            Due::After(delay) => self.now_seconds() + delay.as_secs_f64(),
            Due::At(time) => milliseconds(*time),
        };
        let score = if self.dialect.integer_scores { at.ceil() } else { milliseconds(at) };
        (score, ((at - self.now_seconds()).ceil() as i64).max(0))
    }

    /// Moves scheduled jobs that are due to their queue. Returns how many entries it took out of the registry.
    pub(in crate::worker::simulation) fn promote_due(
        &mut self,
        queue: usize,
        enqueued_at: DateTime<Utc>,
    ) -> usize {
        let due = self.set(queue, Place::Scheduled).up_to(self.now_seconds()).take(MAX_PROMOTED);
        let due: Vec<String> = due.map(|(_, id)| id.to_owned()).collect();
        if due.is_empty() {
            return 0;
        }
        let enqueued_at = iso(enqueued_at);
        for id in &due {
            self.remove(queue, Place::Scheduled, id);
            let is_waiting = ["scheduled", "created", "ready_to_enqueue"]
                .iter()
                .any(|status| self.has_field(id, "status", status));
            if !is_waiting || self.has(Mutation::PromotionLosesTheJob) {
                continue;
            }
            let at_front = self.has_field(id, "enqueue_at_front", "1")
                || (self.has_field(id, "enqueue_at_front_on_retry", "1") && self.is_set(id, "ended_at"));
            self.set_texts(id, [("status", "queued"), ("enqueued_at", &enqueued_at)]);
            self.push(queue, if at_front { End::Front } else { End::Back }, id);
        }
        due.len()
    }
}
