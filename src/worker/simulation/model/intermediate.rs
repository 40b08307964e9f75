//! The intermediate list: a watcher's blocking move, and the script `put_back_orphaned_ids`.

use super::claim::ENDED;
use super::mutation::Mutation;
use super::place::{End, Place};
use super::state::RedisModel;

impl RedisModel {
    /// Moves the next id of the queue to its intermediate list, as a watcher's blocking move does as soon as there is
    /// one.
    pub(in crate::worker::simulation) fn pop_to_intermediate(&mut self, queue: usize) -> Option<String> {
        let id = self.pop(queue)?;
        self.push_to(queue, Place::Intermediate, End::Back, &id);
        Some(id)
    }

    /// Puts ids that were popped but never claimed back at the front of their queue. Returns how many.
    pub(in crate::worker::simulation) fn put_back_orphaned_ids(
        &mut self,
        queue: usize,
        ids: &[&str],
    ) -> usize {
        let mut put_back = 0;
        for id in ids {
            let is_listed = if self.has(Mutation::OrphanIsCopied) {
                self.ids(queue, Place::Intermediate).iter().any(|other| other == id)
            } else {
                !self.has_executions(id) && self.remove_from_list(queue, Place::Intermediate, id)
            };
            let has_ended = self.status(id).is_some_and(|status| ENDED.contains(&status));
            if is_listed && !has_ended {
                self.push(queue, End::Front, id);
                put_back += 1;
            }
        }
        put_back
    }
}
