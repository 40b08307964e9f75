//! What only the dialect rq has, as far as it is in the model: executions and the stream of results. In the native
//! dialect these methods do nothing, as the functions of `lua/lib/rq/`.

use super::place::Place;
use super::state::{Expiring, RedisModel};

impl RedisModel {
    pub(super) fn is_rq(&self) -> bool {
        self.dialect.writes_rq_metadata
    }

    /// Writes an execution, or renews it, with this time to live.
    pub(super) fn write_execution(&mut self, id: &str, execution: &str, worker: Option<&str>, seconds: i64) {
        if !self.is_rq() {
            return;
        }
        let (expires_at, member) = (self.expiry(seconds), format!("{id}:{execution}"));
        let score = (self.seconds() + seconds) as f64;
        let executions = &mut self.touch(id).executions;
        executions.value.add(execution, score);
        executions.expires_at = Some(expires_at);
        let hash = self.executions.entry(member).or_default();
        hash.expires_at = expires_at;
        if let Some(worker) = worker {
            hash.worker = Some(worker.to_owned());
        }
    }

    /// Adds an execution to its worker's, if it is new, and renews the set.
    pub(super) fn write_execution_of_worker(
        &mut self,
        member: &str,
        worker: &str,
        is_new: bool,
        seconds: i64,
    ) {
        if !self.is_rq() {
            return;
        }
        let expires_at = Some(self.expiry(seconds));
        match self.executions_of_workers.get_mut(worker) {
            Some(executions) => {
                executions.expires_at = expires_at;
                if is_new {
                    executions.value.insert(member.to_owned());
                }
            }
            None if is_new => {
                let value = [member.to_owned()].into();
                self.executions_of_workers.insert(worker.to_owned(), Expiring { value, expires_at });
            }
            None => {}
        }
    }

    pub(super) fn delete_execution(&mut self, id: &str, execution: &str, worker: &str) {
        if !self.is_rq() {
            return;
        }
        let member = format!("{id}:{execution}");
        self.executions.remove(&member);
        let executions = &mut self.touch(id).executions;
        executions.value.remove(execution);
        if executions.value.is_empty() {
            executions.expires_at = None;
        }
        if let Some(executions) = self.executions_of_workers.get_mut(worker) {
            executions.value.remove(&member);
            if executions.value.is_empty() {
                self.executions_of_workers.remove(worker);
            }
        }
    }

    /// Ends the leases of all executions of a job, and the executions too.
    pub(super) fn end_executions(&mut self, queue: usize, id: &str, worker: &str) {
        let executions = self.jobs.get(id).map(|job| &job.executions.value);
        let all: Vec<String> =
            executions.map(|all| all.iter().map(|(_, name)| name.to_owned()).collect()).unwrap_or_default();
        for execution in all {
            self.remove(queue, Place::Wip, &format!("{id}:{execution}"));
            self.delete_execution(id, &execution, worker);
        }
    }

    pub(super) fn has_executions(&self, id: &str) -> bool {
        self.jobs.get(id).is_some_and(|job| !job.executions.value.is_empty())
    }

    /// Adds an entry to the stream of results, unless it is empty. `ttl` is the stream's time to live: -1 for ever,
    /// `None` leaves it unchanged.
    pub(super) fn write_result(&mut self, id: &str, ttl: Option<i64>, is_empty: bool) {
        if !self.is_rq() || is_empty {
            return;
        }
        let expires_at = ttl.filter(|seconds| *seconds > 0).map(|seconds| self.expiry(seconds));
        let results = &mut self.touch(id).results;
        results.value += 1;
        match ttl {
            Some(0) => *results = Expiring::default(),
            Some(_) => results.expires_at = expires_at,
            None => {}
        }
    }

    pub(super) fn delete_results(&mut self, id: &str) {
        self.touch(id).results = Expiring::default();
    }
}
