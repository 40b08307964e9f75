//! Runs begin: the jobs of a claim are given to the pool.
//!
//! A handler may have a concurrency limit. A claimed job above the limit is put back at the front of its queue, and
//! claims leave that queue out until a job of the handler has ended here. So no job waits under a lease, another worker
//! may claim the job at once, and this worker does not claim and put back the same job again and again.

use std::time::Duration;

use super::claims::ClaimState;
use super::runs::ActiveRun;
use super::{Action, Engine, Now, Start};
use crate::claim::{ClaimReply, ClaimedJob};
use crate::job::Outcome;
use crate::worker::event::Event;
use crate::worker::run::{RunInfo, RunnableJob};

/// How often a worker claims while it is suspended or one of its queues is unavailable.
const DENIED_CLAIM_INTERVAL: Duration = Duration::from_secs(1);

impl Engine {
    /// Keeps the claimed jobs for [`begin_arrived`](Self::begin_arrived), emits events of ids and queues that give no
    /// job, and decides when to claim again.
    pub(super) fn accept_claim(&mut self, now: Now, reply: ClaimReply) {
        for id in reply.dropped {
            self.emit(Event::Dropped { id });
        }
        for id in reply.quarantined {
            self.emit(Event::SetAside { id });
        }
        self.runs.arrived.extend(reply.jobs);
        if reply.all_suspended && !self.claims.is_suspended {
            self.emit(Event::Suspended);
        }
        self.claims.is_suspended = reply.all_suspended;
        self.update_unavailable_queues(&reply.suspended_queues, &reply.wrong_type_queues);
        let has_unavailable = !self.claims.unavailable_queues.is_empty();
        if has_unavailable {
            self.claims.request_key_check();
        }
        let was_denied = reply.all_suspended || has_unavailable;
        self.claims.state = if reply.queues_are_empty || reply.all_suspended {
            ClaimState::WaitUntil(was_denied.then(|| now.instant + DENIED_CLAIM_INTERVAL))
        } else {
            ClaimState::Ready
        };
        self.claims.must_arm_watchers = reply.queues_are_empty;
    }

    fn update_unavailable_queues(&mut self, suspended: &[usize], wrong_type: &[usize]) {
        let before = std::mem::replace(&mut self.claims.unavailable_queues, [suspended, wrong_type].concat());
        let name = |queue: usize| self.config.options.queues.get(queue).cloned().unwrap_or_default();
        let suspended = suspended.iter().filter(|queue| !before.contains(queue));
        let suspended = suspended.map(|queue| Event::QueueSuspended { queue: name(*queue) });
        let wrong_type = wrong_type.iter().filter(|queue| !before.contains(queue)).map(|queue| {
            Event::Warning(format!(
                "queue {0} gives no jobs: a key of it has a wrong type, because another program uses it; \
                 look at the keys that end in :{0} with redis-cli, or choose another --prefix",
                name(*queue),
            ))
        });
        self.actions.extend(suspended.chain(wrong_type).map(Action::Emit));
    }

    /// Begins the runs of the claimed jobs, then arms the watchers.
    pub(super) fn begin_arrived(&mut self, now: Now) {
        let can_retry_controls = !self.runs.arrived.is_empty() || self.link.is_idle();
        let mut over_limit = Vec::new();
        for job in std::mem::take(&mut self.runs.arrived) {
            match job {
                // The worker was told to terminate while the claim was in flight.
                Ok(job) if self.life.is_terminating() => {
                    self.complete(now, job, Outcome::Interrupted);
                }
                Ok(job) if self.is_at_handler_limit(&job) => over_limit.push(job),
                Ok(job) => self.begin_run(now, job),
                // The lease of the job will expire, and recovery will decide about the job.
                Err(error) => self.emit(Event::Warning(format!("a job that was claimed: {error}"))),
            }
        }
        self.put_back_over_limit(now, over_limit);
        // The watchers are armed last: a job that is put back would wake the watcher of its queue.
        self.arm_watchers();
        if can_retry_controls {
            self.retry_pending_controls(now);
        }
    }

    fn begin_run(&mut self, now: Now, mut job: ClaimedJob) {
        self.claims.begun += 1;
        self.config.options.apply_handler_timeout(&mut job.record);
        let queue = self.config.options.queues.get(job.queue).map_or("", String::as_str);
        let info = RunInfo::new(&job, queue);
        let is_supervised = (self.config.is_supervised)(job.record.handler.as_deref());
        let deadline = info.timeout.and_then(|timeout| now.instant.checked_add(timeout));
        let (queue, record) = (job.queue, job.record.take_for_run());
        let runnable = RunnableJob { record, payload: std::mem::take(&mut job.payload) };
        let run = ActiveRun {
            job,
            deadline: deadline.filter(|_| !is_supervised),
            is_supervised,
            is_canceled: false,
            control_outcome: None,
        };
        let run = self.runs.add(run, now.instant);
        let start = Start { run, queue, info, job: runnable, deadline, is_supervised };
        self.actions.push_back(Action::Start(Box::new(start)));
    }

    fn is_at_handler_limit(&self, job: &ClaimedJob) -> bool {
        let handler = job.record.handler.as_deref();
        let is_same = |run: &&ActiveRun| run.job.record.handler.as_deref() == handler;
        let limit = self.config.options.handler_limit(&job.record);
        limit.is_some_and(|max| self.runs.iter().filter(is_same).count() >= max)
    }

    /// Puts jobs over their handler's limit back into their queues, and leaves these queues out of the next claims.
    fn put_back_over_limit(&mut self, now: Now, jobs: Vec<ClaimedJob>) {
        let at_limit: Vec<_> = jobs.iter().map(|job| (job.queue, job.record.handler.clone())).collect();
        self.put_back(now, jobs);
        for (queue, handler) in at_limit {
            self.claims.exclude_queue(queue, handler);
        }
    }

    fn arm_watchers(&mut self) {
        let must_arm = std::mem::take(&mut self.claims.must_arm_watchers);
        if !must_arm || self.config.options.burst || self.life.is_draining() {
            return;
        }
        self.actions.extend(self.claims.arm_watchers().into_iter().map(Action::ArmWatcher));
    }
}
