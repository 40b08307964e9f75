//! The calls of producers and of people, on both sides.

use std::time::Duration;

use super::super::model::Place;
use super::pair::{Pair, same};
use super::step::{JOBS, JobOptions, Step};
use crate::client::{RedisCommand, reply};
use crate::enqueue_call::{self, EncodedJob};
use crate::job::{Due, check_id, iso};
use crate::job_handle;
use crate::registry::{self, Registry};
use crate::{NewJob, Repeat, Retry, Ttl};

impl Pair {
    /// Returns `None` for a step of another kind.
    pub(super) fn apply_action(&mut self, step: &Step) -> Option<Result<(), String>> {
        Some(match step {
            Step::Enqueue { queue, job, options } => {
                let encoded = self.encode_job(*queue, JOBS[*job], options);
                self.enqueue(*queue, encoded)
            }
            Step::EnqueueAgain => match self.enqueued.take() {
                Some((queue, job)) => self.enqueue(queue, job),
                None => Ok(()),
            },
            Step::Cancel { queue, job, is_again } => self.cancel(*queue, JOBS[*job], *is_again),
            Step::Delete { queue, job } => self.delete(*queue, JOBS[*job]),
            Step::Requeue { queue, registry, jobs, is_again } => {
                self.requeue((*queue, *registry), jobs, *is_again)
            }
            Step::EnqueueNow { queue, jobs, is_again } => self.enqueue_now(*queue, jobs, *is_again),
            Step::SuspendAll { is_suspended } => self.suspend_all(*is_suspended),
            Step::Suspend { queue, is_suspended } => self.suspend(*queue, *is_suspended),
            _ => return None,
        })
    }

    fn encode_job(&self, queue: usize, id: &str, options: &JobOptions) -> EncodedJob {
        let job = NewJob::new("work", (1, "two")).id(id);
        let job = match options.policy {
            0 => job.retry(Retry::every(Duration::ZERO, 3)),
            1 => job.retry(Retry::every(Duration::from_secs(60), 1).at_front()),
            2 => job.repeat(Repeat::every(Duration::ZERO, 2)),
            3 => job.result_ttl(Ttl::NONE).failure_ttl(Ttl::FOREVER),
            4 => job.result_ttl(Ttl::FOREVER).failure_ttl(Ttl::NONE),
            _ => job,
        };
        let job = if options.at_front { job.at_front() } else { job };
        let job = if options.has_ttl { job.ttl(Ttl::seconds(1000)) } else { job };
        let job = if options.due.is_some() { job.after(Duration::from_secs(1000)) } else { job };
        let format = self.client.dialect.payload_format;
        let fields = job.encode(&format!("queue-{queue}"), format, self.now, || 0.5).unwrap().fields;
        let due = options
            .due
            .map(|is_past| if is_past { Due::At(1.5e9) } else { Due::After(Duration::from_secs(1000)) });
        EncodedJob { id: id.to_owned(), at_front: options.at_front, due, ttl: job.expires(), fields }
    }

    fn enqueue(&mut self, queue: usize, job: EncodedJob) -> Result<(), String> {
        let modeled = self.model.enqueue(queue, &job);
        let call = enqueue_call::encode(&self.client, &self.queues[queue], std::slice::from_ref(&job));
        let real = enqueue_call::decode_reply(self.call(&call)).unwrap();
        self.enqueued = Some((queue, job));
        same(&[modeled], &real)
    }

    fn cancel(&mut self, queue: usize, id: &str, is_again: bool) -> Result<(), String> {
        let at = self.act(is_again);
        let modeled = self.model.cancel(queue, id, self.acted_at);
        let call = job_handle::encode_cancel(&self.client, id, &format!("queue-{queue}"), &at);
        same(&modeled, &reply::text(self.call(&call)).unwrap())
    }

    fn delete(&mut self, queue: usize, id: &str) -> Result<(), String> {
        // The client does not call the script for what is no id, unless it has a record.
        let is_deletable = check_id(id).is_ok() || self.model.record(id).is_some();
        let modeled = is_deletable && self.model.delete(queue, id);
        let real = job_handle::delete(&self.client, id, &format!("queue-{queue}")).unwrap();
        same(&modeled, &real)
    }

    fn requeue(
        &mut self,
        (queue, place): (usize, Place),
        jobs: &[usize],
        is_again: bool,
    ) -> Result<(), String> {
        let (at, ids) = (self.act(is_again), ids(jobs));
        let modeled = self.model.requeue((queue, place), &ids, self.acted_at);
        let call = self.registry(queue, place).encode_requeue(&ids, &at);
        same(&modeled, &registry::decode_requeued(self.call(&call)).unwrap())
    }

    fn enqueue_now(&mut self, queue: usize, jobs: &[usize], is_again: bool) -> Result<(), String> {
        let (at, ids) = (self.act(is_again), ids(jobs));
        let modeled = self.model.enqueue_now(queue, &ids, self.acted_at);
        let call = self.registry(queue, Place::Scheduled).encode_enqueue_now(&ids, &at);
        same(&modeled, &registry::decode_requeued(self.call(&call)).unwrap())
    }

    fn registry(&self, queue: usize, place: Place) -> Registry {
        Registry::new(&self.client, &self.queues[queue], self.key(queue, place))
    }

    fn suspend_all(&mut self, is_suspended: bool) -> Result<(), String> {
        self.model.all_suspended = is_suspended;
        let key = self.client.keys.suspended();
        let command = if is_suspended {
            RedisCommand::new("SET").arg(key).arg(1)
        } else {
            RedisCommand::new("DEL").arg(key)
        };
        self.call(&command);
        Ok(())
    }

    fn suspend(&mut self, queue: usize, is_suspended: bool) -> Result<(), String> {
        self.model.set_suspended(queue, is_suspended);
        let command = RedisCommand::new(if is_suspended { "SADD" } else { "SREM" });
        self.call(&command.arg(self.client.keys.suspended_queues()).arg(&self.queues[queue].list));
        Ok(())
    }

    /// Returns the time of a person's call, as text. A repeated call has the time of the one before.
    fn act(&mut self, is_again: bool) -> String {
        if !is_again {
            self.acted_at = self.now;
        }
        iso(self.acted_at)
    }
}

fn ids(jobs: &[usize]) -> Vec<&'static str> {
    jobs.iter().map(|job| JOBS[*job]).collect()
}
