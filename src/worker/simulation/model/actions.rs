//! The scripts `cancel`, `delete` and `set_field`.

use chrono::{DateTime, Utc};

use super::claim::ENDED;
use super::mutation::Mutation;
use super::place::Place;
use super::state::RedisModel;
use crate::job::iso;

impl RedisModel {
    /// Cancels a job that has not ended. Returns the status it had; `None` if there is no such job.
    pub(in crate::worker::simulation) fn cancel(
        &mut self,
        queue: usize,
        id: &str,
        ended_at: DateTime<Utc>,
    ) -> Option<String> {
        if self.field(id, "status").is_none() && self.field(id, "data").is_none() {
            return None;
        }
        let (status, ended_at) = (self.text(id, "status", "created"), iso(ended_at));
        if status == "canceled" && self.has_field(id, "ended_at", &ended_at) {
            return Some("queued".to_owned()); // This very call was made before.
        }
        if ENDED.contains(&status.as_str()) {
            return Some(status);
        }
        self.take_out_of_place(queue, id, &status, Mutation::CancelKeepsTheLease);
        self.remove(queue, Place::Scheduled, id);
        self.set_texts(id, [("status", "canceled"), ("ended_at", &ended_at)]);
        self.delete_fields(id, &["execution_id"]);
        let ttl = self.dialect.canceled_ttl.as_seconds();
        if ttl != -1 {
            self.expire_record(id, ttl);
        }
        self.add(queue, Place::Canceled, id, self.seconds() as f64);
        Some(status)
    }

    /// Deletes a job. Returns whether there was one.
    pub(in crate::worker::simulation) fn delete(&mut self, queue: usize, id: &str) -> bool {
        for registry in Place::IDLE {
            self.remove(queue, registry, id);
        }
        let status = self.text(id, "status", "");
        self.take_out_of_place(queue, id, &status, Mutation::DeleteKeepsTheLease);
        if self.is_rq() {
            self.delete_results(id);
        }
        self.delete_record(id)
    }

    /// Removes the leases of a job and its ids in lists.
    fn take_out_of_place(&mut self, queue: usize, id: &str, status: &str, keeps_lease: Mutation) {
        if !self.has(keeps_lease) {
            let worker = self.text(id, "worker_name", "");
            self.end_executions(queue, id, &worker);
            let lease = format!("{id}:{}", self.text(id, "execution_id", ""));
            self.remove(queue, Place::Wip, &lease);
        }
        self.remove_from_list(queue, Place::Intermediate, id);
        if status == "queued" {
            while self.remove_from_list(queue, Place::List, id) {}
        }
    }

    /// Writes a field of a job, if the job exists and, unless `execution` is empty, still runs in it.
    pub(in crate::worker::simulation) fn set_field(
        &mut self,
        id: &str,
        (field, value): (&str, &[u8]),
        execution: &str,
    ) -> bool {
        if self.field(id, "status").is_none() && self.field(id, "data").is_none() {
            return false;
        }
        let is_running =
            self.has_field(id, "status", "started") && self.has_field(id, "execution_id", execution);
        if !execution.is_empty() && !is_running && !self.has(Mutation::FieldIsNotFenced) {
            return false;
        }
        self.set_fields(id, [(field, value)]);
        true
    }

    fn text(&self, id: &str, field: &str, default: &str) -> String {
        let value = self.field(id, field);
        value.map_or_else(|| default.to_owned(), |value| String::from_utf8_lossy(value).into_owned())
    }
}
