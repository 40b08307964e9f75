//! Reads of the model, for its callers and for comparisons.

use std::collections::VecDeque;

use super::place::Place;
use super::state::RedisModel;
use crate::job::RawHash;

impl RedisModel {
    /// The record of a job, in the order in which its fields were written.
    pub(in crate::worker::simulation) fn record(&self, id: &str) -> Option<&RawHash> {
        self.jobs.get(id)?.record.value.as_ref()
    }

    /// The status in a job's record; `None` without a record.
    pub(in crate::worker::simulation) fn status(&self, id: &str) -> Option<&str> {
        let status = self.record(id)?.get("status").unwrap_or_default();
        Some(std::str::from_utf8(status).unwrap_or("?"))
    }

    /// The places that have an entry of the job: one for each entry, in no order.
    pub(in crate::worker::simulation) fn places(&self, id: &str) -> &[(usize, Place)] {
        self.jobs.get(id).map_or(&[], |job| &job.places)
    }

    /// Entries of a registry with their scores, the lowest first.
    pub(in crate::worker::simulation) fn entries(
        &self,
        queue: usize,
        place: Place,
    ) -> impl Iterator<Item = (f64, &str)> {
        self.set(queue, place).iter()
    }

    /// Ids of the queue's list or of its intermediate list, from left to right as `LRANGE` has them.
    pub(in crate::worker::simulation) fn ids(&self, queue: usize, list: Place) -> &VecDeque<String> {
        &self.queues[queue].lists[list as usize]
    }

    /// Length of a job's stream of results.
    pub(in crate::worker::simulation) fn results(&self, id: &str) -> usize {
        self.jobs.get(id).map_or(0, |job| job.results.value)
    }

    /// Seconds that a record still lives; `None` for ever.
    pub(in crate::worker::simulation) fn record_ttl(&self, id: &str) -> Option<i64> {
        self.seconds_until(self.jobs.get(id)?.record.expires_at)
    }

    /// Seconds that the stream of results still lives; `None` for ever.
    pub(in crate::worker::simulation) fn results_ttl(&self, id: &str) -> Option<i64> {
        self.seconds_until(self.jobs.get(id)?.results.expires_at)
    }

    /// The executions of a job in the dialect rq, with their scores, and the seconds that the set still lives.
    pub(in crate::worker::simulation) fn executions_of(&self, id: &str) -> (Vec<(f64, &str)>, Option<i64>) {
        let Some(job) = self.jobs.get(id) else { return Default::default() };
        (job.executions.value.iter().collect(), self.seconds_until(job.executions.expires_at))
    }

    /// The executions of a worker in the dialect rq, as `<job>:<execution>`.
    pub(in crate::worker::simulation) fn executions_of_worker(
        &self,
        worker: &str,
    ) -> impl Iterator<Item = &str> {
        self.executions_of_workers
            .get(worker)
            .into_iter()
            .flat_map(|all| all.value.iter().map(String::as_str))
    }

    /// All executions of the dialect rq that have a hash, as `<job>:<execution>`, with their worker.
    pub(in crate::worker::simulation) fn execution_hashes(
        &self,
    ) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.executions.iter().map(|(member, hash)| (member.as_str(), hash.worker.as_deref()))
    }

    fn seconds_until(&self, expires_at: Option<i64>) -> Option<i64> {
        expires_at.map(|at| (at - self.now) / 1_000_000)
    }
}
