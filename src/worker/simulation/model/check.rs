//! Invariants 1 and 2 of `ARCHITECTURE.md`: a job is in exactly one place, and the status in its record agrees with it.

use super::place::Place;
use super::state::{QueueState, RedisModel};

impl RedisModel {
    /// Checks the jobs that were changed since the last check. The error says what is wrong.
    pub(in crate::worker::simulation) fn check(&mut self) -> Result<(), String> {
        let mut result = Ok(());
        while let Some(id) = self.touched.pop() {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.is_touched = false;
            }
            result = result.and_then(|()| self.check_job(&id));
        }
        result
    }

    /// Checks all jobs, and the index of their places.
    pub(in crate::worker::simulation) fn check_all(&self) -> Result<(), String> {
        let entries = |queue: &QueueState| {
            queue.lists.iter().map(|list| list.len()).sum::<usize>()
                + queue.sets.iter().map(|set| set.iter().count()).sum::<usize>()
        };
        let entries: usize = self.queues.iter().map(entries).sum();
        let indexed: usize = self.jobs.values().map(|job| job.places.len()).sum();
        assert_eq!(entries, indexed, "the model's index of places is wrong");
        self.jobs.keys().try_for_each(|id| self.check_job(id))
    }

    fn check_job(&self, id: &str) -> Result<(), String> {
        // Entries of a job whose keys are gone are dropped when a script meets them.
        let Some(status) = self.status(id) else { return Ok(()) };
        let all = self.places(id);
        let places =
            if self.jobs[id].has_copies { without_copies(all, status == "queued") } else { all.to_vec() };
        let [(queue, place)] = *places else {
            return Err(format!("job {id} is {status} and in {places:?}: that is not one place"));
        };
        let agrees = match place {
            Place::List | Place::Intermediate => status == "queued",
            Place::Wip => status == "started" && self.has_lease_of_record(queue, id),
            Place::Scheduled => status == "scheduled",
            Place::Finished => status == "finished",
            Place::Failed => status == "failed" || status == "stopped",
            Place::Canceled => status == "canceled",
            Place::Quarantine => true,
        };
        if agrees { Ok(()) } else { Err(format!("job {id} is {status} and in {place:?} of queue {queue}")) }
    }

    fn has_lease_of_record(&self, queue: usize, id: &str) -> bool {
        let execution = String::from_utf8_lossy(self.field(id, "execution_id").unwrap_or_default());
        self.score(queue, Place::Wip, &format!("{id}:{execution}")).is_some()
    }
}

/// The places of a job without the copies of its id that were pushed by hand.
fn without_copies(places: &[(usize, Place)], is_queued: bool) -> Vec<(usize, Place)> {
    let is_listed = |(_, place): &&(usize, Place)| matches!(place, Place::List | Place::Intermediate);
    let own = places.iter().filter(|place| !is_listed(place));
    let listed = places.iter().filter(is_listed).take(usize::from(is_queued));
    own.chain(listed).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Mutation, Place, RedisModel};
    use crate::Dialect;
    use crate::enqueue_call::EncodedJob;

    /// A model with the job `a` in queue 0.
    fn model_with_job(dialect: Dialect) -> RedisModel {
        let mut model = RedisModel::new(dialect.spec(), 2, 1_800_000_000_000_000);
        let fields = vec![("created_at", b"now".to_vec()), ("status", b"queued".to_vec())];
        let job = EncodedJob { id: "a".to_owned(), at_front: false, due: None, ttl: None, fields };
        assert!(model.enqueue(0, &job));
        assert_eq!((model.check(), model.check_all()), (Ok(()), Ok(())));
        model
    }

    fn is_found(mut model: RedisModel) -> bool {
        model.check_all().is_err() && model.check().is_err()
    }

    #[test]
    fn a_job_in_two_places_or_in_none_is_found() {
        let mut model = model_with_job(Dialect::Native);
        model.push_id(1, Place::List, "a");
        assert!(is_found(model));
        let mut model = model_with_job(Dialect::Native);
        model.delete_id(0, Place::List, "a");
        assert!(is_found(model));
        let mut model = model_with_job(Dialect::Rq);
        model.mutation = Some(Mutation::OrphanIsCopied);
        model.pop_to_intermediate(0);
        assert_eq!(model.check(), Ok(()));
        assert_eq!(model.put_back_orphaned_ids(0, &["a"]), 1);
        assert!(is_found(model));
    }

    #[test]
    fn a_status_that_does_not_agree_with_the_place_is_found() {
        for status in ["started", "scheduled", "finished", "canceled", "happy", ""] {
            let mut model = model_with_job(Dialect::Native);
            model.write_field("a", "status", status);
            assert!(is_found(model), "{status}");
        }
    }

    #[test]
    fn a_lease_of_another_execution_is_found() {
        let mut model = model_with_job(Dialect::Native);
        model.delete_id(0, Place::List, "a");
        model.write_field("a", "status", "started");
        model.write_field("a", "execution_id", "1");
        model.set_score(0, Place::Wip, "a:1", 2e9);
        assert_eq!(model.check(), Ok(()));
        model.write_field("a", "execution_id", "2");
        assert!(is_found(model));
    }

    #[test]
    fn entries_of_a_job_whose_record_is_gone_are_no_violation() {
        let mut model = model_with_job(Dialect::Native);
        model.forget_record("a");
        assert_eq!((model.check(), model.check_all()), (Ok(()), Ok(())));
    }
}
