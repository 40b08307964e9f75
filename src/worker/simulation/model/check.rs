//! Invariants 1 and 2 of `ARCHITECTURE.md`: a job is in exactly one place, and the status in its record agrees with it.

use super::place::Place;
use super::state::RedisModel;

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
        let entries = |queue: &super::state::QueueState| {
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
        let places = self.places(id);
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
