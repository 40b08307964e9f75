//! Requeueing a job: from a registry, or a stranded job, which is in no list and no registry.

use std::time::{Duration, Instant};

use super::{Job, MAX_SEARCHED_QUEUE};
use crate::client::scripts::RequeueStrandedJob;
use crate::client::{Reply, now, reply};
use crate::error::Result;
use crate::job::{Status, from_iso};
use crate::registry::{Registry, Requeued};

/// Statuses of jobs that have not finished. Such a job is stranded if it is in no list and no registry, because a key
/// was deleted or lost.
const UNFINISHED: [Status; 6] = [
    Status::Created,
    Status::Queued,
    Status::Started,
    Status::Scheduled,
    Status::RateLimited,
    Status::ReadyToEnqueue,
];
/// Statuses of ended jobs that can be requeued although their registry has lost them.
const REQUEUABLE: [Status; 3] = [Status::Failed, Status::Stopped, Status::Canceled];

/// Codes in the script's replies: see `src/lua/README.md`.
const IN_QUEUE: i64 = 1;
const LIST_TOO_LONG: i64 = 3;

/// Time limit for the next heartbeat of a worker that may run the job. A worker with running jobs sends one every two
/// seconds.
const NEXT_HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);

impl Job {
    /// Puts a job that failed, or was stopped or canceled, back into its queue as a new one: all retries of its
    /// policy are available again. RQ's `Job.requeue`.
    ///
    /// A job that has not finished is requeued too if it is in no queue and no registry, because a key was deleted
    /// or Redis has lost it. If its worker may still run it, the call waits up to three seconds for that worker's
    /// next heartbeat.
    ///
    /// # Errors
    /// [`Error::WrongState`](crate::Error::WrongState) for any other job, so that a second requeue changes nothing;
    /// [`Error::NotFound`](crate::Error::NotFound), [`Error::Unreachable`](crate::Error::Unreachable),
    /// [`Error::Refused`](crate::Error::Refused).
    pub fn requeue(&mut self) -> Result<()> {
        let keys = self.client.keys.queue(&self.origin);
        for registry in [&keys.failed, &keys.canceled] {
            let registry = Registry::new(&self.client, &keys, registry);
            match registry.requeue(&[self.id()])?.first() {
                Some(Requeued::Back) => return self.refresh(),
                Some(Requeued::Gone) => break,
                _ => {}
            }
        }
        self.requeue_stranded("requeue", true, &[&UNFINISHED, &REQUEUABLE])
    }

    /// Puts a scheduled job, which waits for a time or for its next retry, into its queue now. A job that has not
    /// finished is put there too if it is in no queue and no registry.
    ///
    /// # Errors
    /// [`Error::WrongState`](crate::Error::WrongState) for any other job;
    /// [`Error::NotFound`](crate::Error::NotFound), [`Error::Unreachable`](crate::Error::Unreachable),
    /// [`Error::Refused`](crate::Error::Refused).
    pub fn enqueue_now(&mut self) -> Result<()> {
        let keys = self.client.keys.queue(&self.origin);
        let moved = Registry::new(&self.client, &keys, &keys.scheduled).enqueue_now(&[self.id()])?;
        match moved.first() {
            Some(Requeued::Back) => self.refresh(),
            _ => self.requeue_stranded("enqueue", false, &[&UNFINISHED]),
        }
    }

    /// Puts the job into its queue if it is stranded and has one of `statuses`. With `as_new` the job is made new, else
    /// it keeps its counts.
    fn requeue_stranded(&mut self, verb: &'static str, as_new: bool, statuses: &[&[Status]]) -> Result<()> {
        let code = self.requeue_stranded_code(verb, as_new, statuses)?;
        self.refresh()?;
        match code {
            IN_QUEUE => Ok(()),
            LIST_TOO_LONG => {
                let status = self.status.as_str();
                let why = format!(
                    "{status}, and its queue is too long to be searched for it (over {MAX_SEARCHED_QUEUE})"
                );
                Err(self.wrong_state(verb, &why))
            }
            _ => Err(self.wrong_state(verb, self.status.as_str())),
        }
    }

    /// Calls the script until it returns a code: while the job's worker may run it, until that worker's next
    /// heartbeat.
    fn requeue_stranded_code(
        &mut self,
        verb: &'static str,
        as_new: bool,
        statuses: &[&[Status]],
    ) -> Result<i64> {
        let deadline = Instant::now() + NEXT_HEARTBEAT_TIMEOUT;
        let mut seen_heartbeat = String::new();
        loop {
            let reply = self.call_requeue_stranded(as_new, statuses, &seen_heartbeat)?;
            let Reply::Array(parts) = reply else { return reply::int(&reply) };
            let heartbeat = WorkerHeartbeat::read(parts)?;
            if heartbeat.age >= heartbeat.lease {
                // The worker is lost. No heartbeat equals this text, so that the script does not report it again.
                seen_heartbeat = format!("not {}", heartbeat.time);
                continue;
            }
            if Instant::now() >= deadline {
                self.refresh()?;
                return Err(self.wrong_state(verb, &heartbeat.describe(self.worker_name.as_deref())));
            }
            seen_heartbeat = heartbeat.time;
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn call_requeue_stranded(
        &self,
        as_new: bool,
        statuses: &[&[Status]],
        seen_heartbeat: &str,
    ) -> Result<Reply> {
        let keys = self.client.keys.queue(&self.origin);
        let (job, queues) = (self.client.keys.job(self.id()), self.client.keys.queues());
        let statuses: Vec<&str> = statuses.iter().copied().flatten().map(|status| status.as_str()).collect();
        self.client.call(&self.client.evalsha(&RequeueStrandedJob {
            job: &job,
            list: &keys.list,
            intermediate: &keys.intermediate,
            wip: &keys.wip,
            queues: &queues,
            registries: &keys.idle_registries(),
            id: self.id(),
            enqueued_at: &now(),
            max_searched: MAX_SEARCHED_QUEUE,
            as_new,
            statuses: &statuses.join(" "),
            seen_heartbeat,
        }))
    }
}

/// The last heartbeat of a worker that may run a job whose lease is gone.
struct WorkerHeartbeat {
    /// The time as the worker wrote it.
    time: String,
    /// The worker's lease and the age of the heartbeat, in seconds.
    lease: i64,
    age: i64,
}

impl WorkerHeartbeat {
    fn read(parts: Vec<Reply>) -> Result<Self> {
        let mut parts = reply::texts(Reply::Array(parts))?.into_iter();
        let time = parts.next().unwrap_or_default();
        let mut number = || parts.next().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
        let (lease, now) = (number(), number());
        let age = from_iso(&time).map_or(i64::MAX, |time| now - time.timestamp());
        Ok(WorkerHeartbeat { time, lease, age })
    }

    /// The status of the job and its worker, for an error.
    fn describe(&self, worker: Option<&str>) -> String {
        let (worker, age, lease) = (worker.unwrap_or_default(), self.age.max(0), self.lease);
        format!(
            "started, and its worker {worker} was heard of {age} s ago; after {lease} s it is taken for lost"
        )
    }
}
