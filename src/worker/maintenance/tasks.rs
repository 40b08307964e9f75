//! The maintenance tasks of both dialects. Each is short, works in batches, and is safe to run in many workers at the
//! same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;

use super::scheduler_lock::{self, RQ_SCHEDULER_NAME};
use crate::client::scripts::{Expire, PromoteDue, Trim};
use crate::client::{Client, RedisCommand, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::iso;
use crate::orphaned_ids::OrphanTracker;
use crate::recover::{self, Recovered};
use crate::registry::statuses_of;
use crate::server_info;
use crate::worker::event::Event;
use crate::worker::event_bus::EventBus;
use crate::worker::options::Options;
use crate::worker::state::WorkerState;

/// Maximum number of entries that one script call handles.
pub(super) const BATCH: usize = 100;
/// Maximum number of batches that one task handles for a queue before the next task runs.
pub(super) const MAX_BATCHES: usize = 100;
/// Seconds for which an entry of a registry outlives its job's record. While the entry is there, a reader notices that
/// the record has expired.
const REGISTRY_TTL_MARGIN: i64 = 2;
/// The cursor of a scan at its begin and at its end.
pub(super) const SCAN_START: &str = "0";

/// A periodic task.
pub(super) struct MaintenanceTask {
    pub(super) interval: fn(&Options) -> Duration,
    /// Runs the task for one queue.
    pub(super) run: fn(&mut Tasks, usize) -> Result<Progress>,
}

impl MaintenanceTask {
    pub(super) const fn new(
        interval: fn(&Options) -> Duration,
        run: fn(&mut Tasks, usize) -> Result<Progress>,
    ) -> Self {
        MaintenanceTask { interval, run }
    }
}

/// The tasks of both dialects.
pub(super) const TASKS: [MaintenanceTask; 5] = [
    MaintenanceTask::new(|_| Duration::from_secs(1), Tasks::promote_due),
    MaintenanceTask::new(|options| options.recover_interval, Tasks::recover_expired_leases),
    MaintenanceTask::new(|options| options.recover_interval, Tasks::put_back_orphaned_ids),
    MaintenanceTask::new(|_| Duration::from_secs(30), Tasks::expire_registries),
    MaintenanceTask::new(|_| Duration::from_secs(5), Tasks::trim_registries),
];

/// Progress of a task.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Progress {
    Done,
    /// There is more to do at once.
    More,
    /// The task did not run: see [`Tasks::is_recovery_on_hold`].
    OnHold,
}

impl Progress {
    fn done_if(is_done: bool) -> Self {
        if is_done { Progress::Done } else { Progress::More }
    }
}

/// State of the maintenance tasks of one worker. Each task is a method, which works for one queue.
pub(super) struct Tasks {
    pub(super) options: Arc<Options>,
    pub(super) queues: Vec<QueueKeys>,
    pub(super) client: Arc<Client>,
    events: EventBus,
    state: Arc<WorkerState>,
    /// The ids in the intermediate lists, by queue.
    orphans: Vec<OrphanTracker>,
    /// The record of this worker as a scheduler, for RQ's tools.
    rq_scheduler_record: Vec<(&'static str, String)>,
    /// Cursor of the scan of rate limits.
    pub(super) limits_cursor: String,
}

impl Tasks {
    pub(super) fn new(
        client: &Arc<Client>,
        options: &Arc<Options>,
        queues: &[QueueKeys],
        state: &Arc<WorkerState>,
        events: &EventBus,
    ) -> Self {
        Tasks {
            options: Arc::clone(options),
            queues: queues.to_vec(),
            client: Arc::clone(client),
            events: events.clone(),
            state: Arc::clone(state),
            orphans: queues.iter().map(|_| OrphanTracker::default()).collect(),
            rq_scheduler_record: scheduler_lock::record_fields(options),
            limits_cursor: SCAN_START.to_owned(),
        }
    }

    /// Emits a warning about a queue.
    pub(super) fn warn(&self, queue: usize, problem: &str) {
        self.events.emit(&Event::Warning(format!("{}: {problem}", self.queues[queue].list)));
    }

    /// Moves scheduled jobs that are due to their queue.
    fn promote_due(&mut self, queue: usize) -> Result<Progress> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        in_batches(client, || encode_promote_due(client, queue, &self.rq_scheduler_record, &iso(Utc::now())))
    }

    /// Recovers jobs whose worker was lost.
    fn recover_expired_leases(&mut self, queue: usize) -> Result<Progress> {
        if self.is_recovery_on_hold()? {
            return Ok(Progress::OnHold);
        }
        let limits = (self.options.max_deliveries, self.options.retention());
        for _ in 0..MAX_BATCHES {
            let jobs = recover::recover_expired(&self.client, &self.queues[queue], limits, Utc::now())?;
            let is_done = jobs.len() < recover::MAX_RECOVERED;
            for job in jobs {
                self.events.emit(&match job {
                    Recovered::RunsAgain { id } => Event::Recovered { id },
                    Recovered::Failed { id, error } => Event::Failed { id, error },
                });
            }
            if is_done {
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::More)
    }

    /// Returns whether other workers may have been unable to renew their leases, because Redis was away, rejected
    /// writes, or was restarted within the last lease.
    fn is_recovery_on_hold(&self) -> Result<bool> {
        if self.state.has_failed_heartbeat_within(self.options.lease()) {
            return Ok(true);
        }
        let uptime = server_info::fetch(&self.client)?.uptime;
        Ok(uptime.is_some_and(|seconds| Duration::from_secs(seconds) < self.options.lease()))
    }

    /// Puts orphaned ids back into their queue.
    fn put_back_orphaned_ids(&mut self, queue: usize) -> Result<Progress> {
        let count = self.orphans[queue].put_back(&self.client, &self.queues[queue], Instant::now())?;
        if count > 0 {
            self.warn(queue, &format!("{count} forgotten ids put back"));
        }
        Ok(Progress::Done)
    }

    /// Removes expired jobs from the registries.
    fn expire_registries(&mut self, queue: usize) -> Result<Progress> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        // The entry of a canceled job has the time of its cancel. In the dialect rq canceled jobs are kept
        // for ever.
        let canceled_ttl = client.dialect.canceled_ttl.as_seconds();
        let canceled = (canceled_ttl >= 0).then_some((&queue.canceled, canceled_ttl));
        let ended = [(&queue.finished, REGISTRY_TTL_MARGIN), (&queue.failed, REGISTRY_TTL_MARGIN)];
        let mut is_done = true;
        for (registry, age) in ended.into_iter().chain(canceled) {
            is_done &= in_batches(client, || client.evalsha(&Expire { registry, max_entries: BATCH, age }))?
                == Progress::Done;
        }
        Ok(Progress::done_if(is_done))
    }

    /// Removes jobs from registries that are over their limit (`keep_finished`, `keep_failed`).
    pub(super) fn trim_registries(&mut self, queue: usize) -> Result<Progress> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        let limits =
            [(&queue.finished, self.options.keep_finished), (&queue.failed, self.options.keep_failed)];
        let mut is_done = true;
        for (registry, limit) in limits.into_iter().filter_map(|(registry, limit)| Some((registry, limit?))) {
            is_done &= in_batches(client, || {
                let statuses = statuses_of(queue, registry);
                client.evalsha(&Trim { registry, max_size: limit, max_deleted: BATCH, statuses })
            })? == Progress::Done;
        }
        Ok(Progress::done_if(is_done))
    }
}

/// Encodes a call that enqueues scheduled jobs which are due, and returns how many. `record` is this worker's as a
/// scheduler, for RQ's tools.
pub(in crate::worker) fn encode_promote_due(
    client: &Client,
    queue: &QueueKeys,
    record: &[(&'static str, String)],
    now: &str,
) -> RedisCommand {
    let is_shared = client.dialect.is_shared_with_python;
    let call = client.evalsha(&PromoteDue {
        registry: &queue.scheduled,
        list: &queue.list,
        queues: &client.keys.queues(),
        unreadable: &queue.unreadable,
        lock_and_record: &[&queue.scheduler_lock, &client.keys.rq_scheduler(RQ_SCHEDULER_NAME)],
        enqueued_at: now,
        max_jobs: BATCH,
        scheduler: if is_shared { RQ_SCHEDULER_NAME } else { "" },
    });
    if !is_shared {
        return call;
    }
    let call = call.arg("last_heartbeat").arg(now);
    record.iter().fold(call, |call, (field, value)| call.arg(field).arg(value))
}

/// Repeats a script until it handles less than a whole batch. There is more to do if it never does.
pub(super) fn in_batches(client: &Client, command: impl Fn() -> RedisCommand) -> Result<Progress> {
    for _ in 0..MAX_BATCHES {
        let mut replies = client.call_all_single_attempt(&[command()])?;
        let moved = replies.pop().map_or(Ok(0), |reply| reply::int(&reply?))?;
        if moved < BATCH as i64 {
            return Ok(Progress::Done);
        }
    }
    Ok(Progress::More)
}
