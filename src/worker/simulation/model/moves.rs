//! Changes of lists and registries. Every change goes through here, so that the model knows where each job is without a
//! search.

use super::place::{End, Place, entry_id};
use super::sorted_set::SortedSet;
use super::state::RedisModel;

impl RedisModel {
    /// Adds an id to the queue's list.
    pub(super) fn push(&mut self, queue: usize, end: End, id: &str) {
        self.push_to(queue, Place::List, end, id);
    }

    /// Adds an id to the queue's list by hand, whatever its job does.
    pub(in crate::worker::simulation) fn push_copy(&mut self, queue: usize, id: &str) {
        self.touch(id).has_copies = true;
        self.push(queue, End::Back, id);
    }

    pub(super) fn push_to(&mut self, queue: usize, place: Place, end: End, id: &str) {
        let is_left = (end == End::Front) != self.dialect.pops_from_right;
        let list = &mut self.queues[queue].lists[place as usize];
        if is_left {
            list.push_front(id.to_owned());
        } else {
            list.push_back(id.to_owned());
        }
        self.enter(id, queue, place);
    }

    /// Removes the next id from the queue's list.
    pub(super) fn pop(&mut self, queue: usize) -> Option<String> {
        let list = &mut self.queues[queue].lists[Place::List as usize];
        let id = if self.dialect.pops_from_right { list.pop_back() } else { list.pop_front() }?;
        self.leave(&id, queue, Place::List);
        Some(id)
    }

    /// Removes the leftmost occurrence of an id, as `LREM key 1 id`. Returns whether there was one.
    pub(super) fn remove_from_list(&mut self, queue: usize, place: Place, id: &str) -> bool {
        let list = &mut self.queues[queue].lists[place as usize];
        let Some(at) = list.iter().position(|other| other == id) else { return false };
        list.remove(at);
        self.leave(id, queue, place);
        true
    }

    /// Adds an entry to a registry, or changes its score.
    pub(super) fn add(&mut self, queue: usize, place: Place, member: &str, score: f64) {
        if self.queues[queue].sets[place.set_index()].add(member, score) {
            self.enter(entry_id(place, member), queue, place);
        }
    }

    /// Removes an entry from a registry. Returns whether it was there.
    pub(super) fn remove(&mut self, queue: usize, place: Place, member: &str) -> bool {
        let was_there = self.queues[queue].sets[place.set_index()].remove(member);
        if was_there {
            self.leave(entry_id(place, member), queue, place);
        }
        was_there
    }

    pub(super) fn score(&self, queue: usize, place: Place, member: &str) -> Option<f64> {
        self.set(queue, place).score(member)
    }

    pub(super) fn set(&self, queue: usize, place: Place) -> &SortedSet {
        &self.queues[queue].sets[place.set_index()]
    }

    fn enter(&mut self, id: &str, queue: usize, place: Place) {
        self.touch(id).places.push((queue, place));
    }

    fn leave(&mut self, id: &str, queue: usize, place: Place) {
        let places = &mut self.touch(id).places;
        if let Some(at) = places.iter().position(|other| *other == (queue, place)) {
            places.swap_remove(at);
        }
    }
}
