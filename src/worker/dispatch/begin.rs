//! Runs begin: the jobs of a claim are decoded and given to the pool.
//!
//! A handler may have a concurrency limit. A claimed job above the limit is put back at the front of its queue, and
//! claims leave that queue out until a job of the handler has ended here. So no job waits under a lease, another worker
//! may claim the job at once, and this worker does not claim and put back the same job again and again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::dispatcher::{ActiveRun, ClaimState, Dispatcher};
use crate::claim::{ClaimReply, ClaimedJob};
use crate::job::Outcome;
use crate::worker::context::{Context, RunPlacement};
use crate::worker::event::Event;
use crate::worker::executor::RunnableJob;
use crate::worker::stop::Phase;
use crate::worker::thread_pool::run_queue::RunId;

/// How often a worker claims while it is suspended or one of its queues is unavailable.
const DENIED_CLAIM_INTERVAL: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// Keeps the claimed jobs for [`begin_claimed_runs`](Self::begin_claimed_runs), emits events of ids and queues that
    /// give no job, and decides when to claim again.
    pub(super) fn accept_claim(&mut self, reply: ClaimReply) {
        for id in reply.dropped {
            self.emit(Event::Dropped { id });
        }
        for id in reply.quarantined {
            self.emit(Event::SetAside { id });
        }
        self.arrived.extend(reply.jobs);
        if reply.all_suspended && !self.is_suspended {
            self.emit(Event::Suspended);
        }
        self.is_suspended = reply.all_suspended;
        self.update_unavailable_queues(&reply.suspended_queues, &reply.wrong_type_queues);
        if !self.unavailable_queues.is_empty() {
            self.keys_checked_at = None;
        }
        let was_denied = reply.all_suspended || !self.unavailable_queues.is_empty();
        self.claim_state = if reply.queues_are_empty || reply.all_suspended {
            ClaimState::WaitUntil(was_denied.then(|| Instant::now() + DENIED_CLAIM_INTERVAL))
        } else {
            ClaimState::Ready
        };
        self.must_arm_watchers = reply.queues_are_empty;
    }

    fn update_unavailable_queues(&mut self, suspended: &[usize], wrong_type: &[usize]) {
        let name = |queue: usize| self.worker.options.queues.get(queue).cloned().unwrap_or_default();
        for queue in suspended.iter().filter(|queue| !self.unavailable_queues.contains(queue)) {
            self.emit(Event::QueueSuspended { queue: name(*queue) });
        }
        for queue in wrong_type.iter().filter(|queue| !self.unavailable_queues.contains(queue)) {
            self.emit(Event::Warning(format!(
                "queue {} gives no jobs: a key of it has a wrong type, because another program uses it; \
                 look at the keys that end in :{} with redis-cli, or choose another --prefix",
                name(*queue),
                name(*queue),
            )));
        }
        self.unavailable_queues = [suspended, wrong_type].concat();
    }

    /// Begins the runs of the claimed jobs, then arms the watchers.
    pub(super) fn begin_claimed_runs(&mut self) {
        let can_retry_controls = !self.arrived.is_empty() || self.exchanges.is_empty();
        let mut over_limit = Vec::new();
        for job in std::mem::take(&mut self.arrived) {
            match job {
                // The worker was told to terminate while the claim was in flight.
                Ok(job) if self.worker.stopper.phase() == Phase::Terminating => {
                    self.complete(job, Outcome::Interrupted);
                }
                Ok(job) if self.is_at_handler_limit(&job) => over_limit.push(job),
                Ok(job) => self.begin_run(job),
                // The lease of the job will expire, and recovery will decide about the job.
                Err(error) => self.emit(Event::Warning(format!("a job that was claimed: {error}"))),
            }
        }
        self.pool.submit_staged();
        self.put_back_over_limit(over_limit);
        // The watchers are armed last: a job that is put back would wake the watcher of its queue.
        self.arm_watchers();
        if can_retry_controls && !self.pending_controls.is_empty() {
            for (control, misses) in std::mem::take(&mut self.pending_controls) {
                self.on_control(control, misses);
            }
        }
    }

    fn begin_run(&mut self, mut job: ClaimedJob) {
        let run_id = RunId(self.next_run);
        self.next_run += 1;
        self.runs_begun += 1;
        self.worker.options.apply_handler_timeout(&mut job.record);
        let cancel_flag = Arc::new(AtomicBool::new(false));
        let context = self.new_context(&job, &cancel_flag);
        let is_supervised = self.pool.is_supervised(&job.record);
        let deadline = context.deadline().filter(|_| !is_supervised);
        self.worker.state.track_lease(job.lease_member(), job.queue, &cancel_flag);
        self.emit(Event::Started {
            id: job.record.id.clone(),
            queue: context.queue().to_owned(),
            description: job.record.description.clone(),
        });
        let runnable =
            RunnableJob { record: job.record.take_for_run(), payload: std::mem::take(&mut job.payload) };
        let retire_flag = self.pool.stage(run_id, context, runnable);
        let run = ActiveRun { job, retire_flag, cancel_flag, deadline, is_supervised, control_outcome: None };
        self.runs.insert(run_id, run);
    }

    fn new_context(&self, job: &ClaimedJob, cancel_flag: &Arc<AtomicBool>) -> Context {
        let options = &self.worker.options;
        let queue = options.queues.get(job.queue).map_or("", String::as_str);
        let placement = RunPlacement { queue, worker: &options.name, timeout: job.timeout() };
        Context::new(job, placement, Arc::clone(cancel_flag), self.inbox.clone())
    }

    fn is_at_handler_limit(&self, job: &ClaimedJob) -> bool {
        let handler = job.record.handler.as_deref();
        let is_same = |run: &&ActiveRun| run.job.record.handler.as_deref() == handler;
        let limit = self.worker.options.handler_limit(&job.record);
        limit.is_some_and(|max| self.runs.values().filter(is_same).count() >= max)
    }

    /// Puts jobs over their handler's limit back into their queues, and leaves these queues out of the next claims.
    fn put_back_over_limit(&mut self, jobs: Vec<ClaimedJob>) {
        let at_limit: Vec<_> = jobs.iter().map(|job| (job.queue, job.record.handler.clone())).collect();
        self.put_back(jobs);
        self.queues_at_limit.extend(at_limit);
    }

    /// Includes the queues in claims again that wait for a run of this handler to end.
    pub(super) fn include_queues_waiting_for(&mut self, handler: Option<&str>) {
        let before = self.queues_at_limit.len();
        self.queues_at_limit.retain(|_, at_limit| at_limit.as_deref() != handler);
        if self.queues_at_limit.len() < before {
            self.request_claim();
        }
    }

    fn arm_watchers(&mut self) {
        let must_arm = std::mem::take(&mut self.must_arm_watchers);
        if !must_arm || self.worker.options.burst || self.is_draining() {
            return;
        }
        for queue in 0..self.worker.queues.len() {
            if !self.unavailable_queues.contains(&queue) && !self.queues_at_limit.contains_key(&queue) {
                self.watchers.arm(queue);
            }
        }
    }
}
