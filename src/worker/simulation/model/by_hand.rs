//! Changes that no script makes: those of people, of Python's workers, and of a Redis that has lost a key.

use super::place::{End, Place};
use super::state::RedisModel;

impl RedisModel {
    /// Adds an entry to a registry, or changes its score: the end of a lease, the time at which a job is due.
    pub(in crate::worker::simulation) fn set_score(
        &mut self,
        queue: usize,
        place: Place,
        member: &str,
        score: f64,
    ) {
        self.add(queue, place, member, score);
    }

    /// Deletes an entry of a registry. Returns whether it was there.
    pub(in crate::worker::simulation) fn delete_entry(
        &mut self,
        queue: usize,
        place: Place,
        member: &str,
    ) -> bool {
        self.remove(queue, place, member)
    }

    /// Adds an id at the back of a list.
    pub(in crate::worker::simulation) fn push_id(&mut self, queue: usize, list: Place, id: &str) {
        self.push_to(queue, list, End::Back, id);
    }

    /// Deletes the leftmost occurrence of an id in a list. Returns whether there was one.
    pub(in crate::worker::simulation) fn delete_id(&mut self, queue: usize, list: Place, id: &str) -> bool {
        self.remove_from_list(queue, list, id)
    }

    /// Deletes a record, as if its time to live had passed. Entries in lists and registries stay.
    pub(in crate::worker::simulation) fn forget_record(&mut self, id: &str) -> bool {
        self.delete_record(id)
    }

    pub(in crate::worker::simulation) fn write_field(&mut self, id: &str, field: &str, value: &str) {
        self.set_texts(id, [(field, value)]);
    }

    pub(in crate::worker::simulation) fn delete_field(&mut self, id: &str, field: &str) {
        self.delete_fields(id, &[field]);
    }

    /// Adds an execution of the dialect rq to its job's, as a worker of Python's does.
    pub(in crate::worker::simulation) fn add_execution(&mut self, id: &str, execution: &str, seconds: i64) {
        let (expires_at, score) = (self.expiry(seconds), (self.seconds() + seconds) as f64);
        let executions = &mut self.touch(id).executions;
        executions.value.add(execution, score);
        executions.expires_at = Some(expires_at);
    }
}
