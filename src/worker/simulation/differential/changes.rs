//! Changes that no script makes, on both sides: what Python's workers do, and what people do by hand.

use super::super::model::Place;
use super::pair::Pair;
use super::step::{JOBS, Step};
use crate::client::RedisCommand;

/// An execution of a worker of Python's.
const PYTHON: &str = "python";

impl Pair {
    pub(super) fn apply_change(&mut self, step: &Step) {
        match step {
            Step::SetLease { run, offset } => {
                if let Some((queue, member)) = self.lease(*run) {
                    self.set_score((queue, Place::Wip), &member, *offset);
                }
            }
            Step::DeleteLease { run } => {
                if let Some((queue, member)) = self.lease(*run) {
                    self.model.delete_entry(queue, Place::Wip, &member);
                    self.call(&RedisCommand::new("ZREM").arg(&self.queues[queue].wip).arg(member));
                }
            }
            Step::MakeDue { queue, job } => self.set_score((*queue, Place::Scheduled), JOBS[*job], -1000),
            Step::PushId { queue, list, job } => self.push_id((*queue, *list), JOBS[*job]),
            Step::ForgetRecord { job } => {
                self.model.forget_record(JOBS[*job]);
                self.call(&RedisCommand::new("DEL").arg(self.client.keys.job(JOBS[*job])));
            }
            Step::WriteField { job, field, value } => self.write_field(JOBS[*job], field, value),
            Step::DeleteField { job, field } => {
                self.model.delete_field(JOBS[*job], field);
                self.call(&RedisCommand::new("HDEL").arg(self.client.keys.job(JOBS[*job])).arg(field));
            }
            Step::ClaimOfPython { queue, job, offset } => self.claim_of_python(*queue, JOBS[*job], *offset),
            _ => unreachable!("{step:?} is no change by hand"),
        }
    }

    fn lease(&self, run: usize) -> Option<(usize, String)> {
        self.run(run).map(|run| (run.queue, run.lease_member()))
    }

    /// Gives an entry of a registry a score, in seconds from now.
    pub(super) fn set_score(&mut self, (queue, place): (usize, Place), member: &str, offset: i64) {
        let score = self.now.timestamp() + offset;
        self.model.set_score(queue, place, member, score as f64);
        let key = self.key(queue, place);
        self.call(&RedisCommand::new("ZADD").arg(key).arg(score).arg(member));
    }

    fn push_id(&mut self, (queue, list): (usize, Place), id: &str) {
        self.model.push_id(queue, list, id);
        let key = self.key(queue, list);
        self.call(&RedisCommand::new(self.client.dialect.push).arg(key).arg(id));
    }

    fn write_field(&mut self, id: &str, field: &str, value: &str) {
        self.model.write_field(id, field, value);
        self.call(&RedisCommand::new("HSET").arg(self.client.keys.job(id)).arg(field).arg(value));
    }

    /// A worker of Python's takes a job of the queue, if it is there. It does not write its execution into the record.
    fn claim_of_python(&mut self, queue: usize, id: &str, offset: i64) {
        if !self.model.ids(queue, Place::List).iter().any(|other| other == id) {
            return;
        }
        self.model.delete_id(queue, Place::List, id);
        self.call(&RedisCommand::new("LREM").arg(&self.queues[queue].list).arg(1).arg(id));
        self.write_field(id, "status", "started");
        self.write_field(id, "worker_name", PYTHON);
        self.set_score((queue, Place::Wip), &format!("{id}:{PYTHON}"), offset);
        if let Some(key) = self.client.rq.executions(id) {
            self.model.add_execution(id, PYTHON, 1000);
            let score = self.now.timestamp() + 1000;
            self.call(&RedisCommand::new("ZADD").arg(&key).arg(score).arg(PYTHON));
            self.call(&RedisCommand::new("EXPIRE").arg(key).arg(1000));
        }
    }

    /// The key of a list or registry.
    pub(super) fn key(&self, queue: usize, place: Place) -> &str {
        let keys = &self.queues[queue];
        match place {
            Place::List => &keys.list,
            Place::Intermediate => &keys.intermediate,
            Place::Wip => &keys.wip,
            Place::Scheduled => &keys.scheduled,
            Place::Finished => &keys.finished,
            Place::Failed => &keys.failed,
            Place::Canceled => &keys.canceled,
            Place::Quarantine => &keys.unreadable,
        }
    }
}
