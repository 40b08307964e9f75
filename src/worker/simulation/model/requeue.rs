//! The script `move_to_queue`: a requeue, and an enqueue before the time.

use chrono::{DateTime, Utc};

use super::mutation::Mutation;
use super::place::{End, Place};
use super::state::RedisModel;
use crate::job::{Status, iso};
use crate::registry::Requeued;

impl RedisModel {
    /// Enqueues ended jobs again as new, from the registry that they are in.
    pub(in crate::worker::simulation) fn requeue(
        &mut self,
        (queue, registry): (usize, Place),
        ids: &[&str],
        enqueued_at: DateTime<Utc>,
    ) -> Vec<Requeued> {
        let mut requeued: Vec<&str> = Vec::new();
        let mut replies = Vec::new();
        for id in ids {
            let mut reply = self.take_out((queue, registry), id, enqueued_at);
            if reply == Taken::EnqueuedBefore && requeued.contains(id) {
                reply = Taken::NotThere;
            }
            if reply == Taken::Out {
                self.persist_record(id);
                if !self.has(Mutation::RequeueKeepsTheCounts) {
                    self.reset_job(id);
                }
                self.enqueue_again(queue, id, enqueued_at);
                requeued.push(id);
            }
            replies.push(reply.into());
        }
        replies
    }

    /// Puts scheduled jobs into their queue before they are due.
    pub(in crate::worker::simulation) fn enqueue_now(
        &mut self,
        queue: usize,
        ids: &[&str],
        enqueued_at: DateTime<Utc>,
    ) -> Vec<Requeued> {
        let mut replies = Vec::new();
        for id in ids {
            let reply = self.take_out((queue, Place::Scheduled), id, enqueued_at);
            if reply == Taken::Out {
                self.enqueue_again(queue, id, enqueued_at);
            }
            replies.push(reply.into());
        }
        replies
    }

    fn take_out(&mut self, (queue, registry): (usize, Place), id: &str, enqueued_at: DateTime<Utc>) -> Taken {
        if !self.remove(queue, registry, id) {
            let is_repeated = self.has_field(id, "enqueued_at", &iso(enqueued_at));
            return if is_repeated { Taken::EnqueuedBefore } else { Taken::NotThere };
        }
        if self.field(id, "data").is_none() {
            return Taken::Gone;
        }
        let status = self.status(id).and_then(|status| status.parse().ok());
        let own: &[Status] = match registry {
            Place::Failed => &[Status::Failed, Status::Stopped],
            Place::Finished => &[Status::Finished],
            Place::Canceled => &[Status::Canceled],
            Place::Scheduled => &[Status::Scheduled, Status::Created],
            _ => &[],
        };
        // A job without a known status belongs to the registry; `is_leftover_entry` does not know `created`.
        match status {
            Some(status) if status != Status::Created && !own.contains(&status) => Taken::NotThere,
            _ => Taken::Out,
        }
    }

    fn enqueue_again(&mut self, queue: usize, id: &str, enqueued_at: DateTime<Utc>) {
        self.set_texts(id, [("status", "queued"), ("enqueued_at", &iso(enqueued_at))]);
        self.push(queue, End::Back, id);
    }
}

/// The fate of an entry of a registry.
#[derive(Clone, Copy, PartialEq)]
enum Taken {
    /// It was taken out, and its job is to be enqueued.
    Out,
    /// It was not there, because this very call was made before.
    EnqueuedBefore,
    NotThere,
    Gone,
}

impl From<Taken> for Requeued {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Out | Taken::EnqueuedBefore => Requeued::Back,
            Taken::NotThere => Requeued::NotThere,
            Taken::Gone => Requeued::Gone,
        }
    }
}
