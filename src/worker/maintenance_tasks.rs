//! Tasks that any worker does for all workers. Each is short, works in batches, and is safe to run in many
//! workers at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;

use super::event::Event;
use super::event_bus::EventBus;
use super::options::Options;
use super::registration::hostname;
use super::state::WorkerState;
use crate::client::scripts::{
    EXPIRE, MAINTAIN_RATE_LIMIT, PROMOTE_DUE, PRUNE_GROUP, RELEASE_SCHEDULER_LOCK, TRIM,
};
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::dialect::QueueKeys;
use crate::error::Result;
use crate::job::iso;
use crate::recover::{self, OrphanTracker, Recovered};
use crate::registry::statuses_of;
use crate::server_info;

/// The name under which all workers of rq-rs together hold the locks of RQ's schedulers.
const RQ_SCHEDULER_NAME: &str = "rq-rs";
/// Maximum number of entries that one script call handles.
const BATCH: usize = 100;
/// Maximum number of slots of one rate limit that are checked at a time.
const LIMIT_SLOTS: usize = 1000;
/// Interval in seconds at which one worker cleans the groups for all, as in RQ.
const GROUPS_INTERVAL_SECS: u64 = 599;
/// Maximum number of batches that one task handles for a queue before the next task runs.
const MAX_BATCHES: usize = 100;
/// Seconds for which an entry of a registry outlives its job's record. As long as the entry is there, the end
/// of the record can be noticed.
const REGISTRY_TTL_MARGIN: i64 = 2;
/// The cursor of a scan at its begin and at its end.
const SCAN_START: &str = "0";

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

/// The maintenance tasks of one worker. Each runs for one queue.
pub(super) struct Tasks {
    pub(super) options: Arc<Options>,
    pub(super) queues: Vec<QueueKeys>,
    client: Arc<Client>,
    events: EventBus,
    state: Arc<WorkerState>,
    /// Popped ids that no worker has started, by queue.
    orphans: Vec<OrphanTracker>,
    /// The record of this worker as a scheduler, for RQ's tools.
    scheduler_record: Vec<(&'static str, String)>,
    /// Cursor of the scan of rate limits.
    limits_cursor: String,
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
            scheduler_record: scheduler_record(options),
            limits_cursor: SCAN_START.to_owned(),
        }
    }

    pub(super) fn has_rq_metadata(&self) -> bool {
        self.client.rq.is_enabled()
    }

    /// Emits a warning about a queue.
    pub(super) fn warn(&self, queue: usize, problem: &str) {
        self.events.emit(&Event::Warning(format!("{}: {problem}", self.queues[queue].list)));
    }

    /// Moves scheduled jobs that are due to their queue.
    pub(super) fn promote_due(&mut self, queue: usize) -> Result<Progress> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        let (queues, record) = (client.keys.queues(), client.keys.rq_scheduler(RQ_SCHEDULER_NAME));
        let (lock, unreadable) = (&queue.scheduler_lock, &queue.unreadable);
        in_batches(client, || {
            let keys = [&queue.scheduled, &queue.list, &queues, unreadable, lock, &record];
            let command = promote_command(client, &keys.map(String::as_str));
            if !client.rq.is_enabled() {
                return command.arg("");
            }
            let command = command.arg(RQ_SCHEDULER_NAME).arg("last_heartbeat").arg(iso(Utc::now()));
            self.scheduler_record
                .iter()
                .fold(command, |command, (field, value)| command.arg(field).arg(value))
        })
    }

    /// Enqueues released jobs that no process has enqueued. RQ releases a job that waited for another job in
    /// two steps; a process that dies between them leaves the job in the registry of ready jobs. Whoever
    /// removes the job from this registry enqueues it, and any other process sees that it is gone. So no
    /// worker has to wait for another one, as in RQ's own maintenance.
    pub(super) fn promote_ready(&mut self, queue: usize) -> Result<Progress> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        in_batches(client, || {
            let keys = [&queue.ready, &queue.list, &client.keys.queues(), &queue.unreadable];
            promote_command(client, &keys.map(String::as_str)).arg("")
        })
    }

    /// Recovers jobs whose worker was lost.
    pub(super) fn recover_expired_leases(&mut self, queue: usize) -> Result<Progress> {
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

    /// Returns whether other workers may have been unable to renew their leases: Redis was away, refused
    /// writes, or was restarted within the time of one lease.
    fn is_recovery_on_hold(&self) -> Result<bool> {
        if self.state.has_failed_heartbeat_within(self.options.lease()) {
            return Ok(true);
        }
        let uptime = server_info::fetch(&self.client)?.uptime;
        Ok(uptime.is_some_and(|seconds| Duration::from_secs(seconds) < self.options.lease()))
    }

    /// Requeues ids that a watcher has popped and no worker has started.
    pub(super) fn requeue_orphans(&mut self, queue: usize) -> Result<Progress> {
        let count = self.orphans[queue].requeue_orphans(&self.client, &self.queues[queue], Instant::now())?;
        if count > 0 {
            self.warn(queue, &format!("{count} forgotten ids put back"));
        }
        Ok(Progress::Done)
    }

    /// Removes expired jobs from the registries.
    pub(super) fn expire_registries(&mut self, queue: usize) -> Result<Progress> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        // The entry of a canceled job has the time of its cancel. In the dialect rq canceled jobs are kept
        // for ever.
        let canceled_ttl = client.dialect.canceled_ttl.as_seconds();
        let canceled = (canceled_ttl >= 0).then_some((&queue.canceled, canceled_ttl));
        let ended = [(&queue.finished, REGISTRY_TTL_MARGIN), (&queue.failed, REGISTRY_TTL_MARGIN)];
        let mut is_done = true;
        for (registry, age) in ended.into_iter().chain(canceled) {
            is_done &= in_batches(client, || {
                let command = RedisCommand::evalsha(&EXPIRE, &[registry]).arg(BATCH).arg(age);
                command.arg(client.keys.job_prefix()).arg(client.rq.key_patterns())
            })? == Progress::Done;
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
                RedisCommand::evalsha(&TRIM, &[registry])
                    .arg(limit)
                    .arg(BATCH)
                    .arg(client.keys.job_prefix())
                    .arg(client.rq.key_patterns())
                    .arg(statuses_of(queue, registry))
            })? == Progress::Done;
        }
        Ok(Progress::done_if(is_done))
    }

    /// Frees the slots of rate limits that no job needs any more. Limits belong to no queue, so this runs
    /// once for all queues.
    pub(super) fn free_rate_limit_slots(&mut self, queue: usize) -> Result<Progress> {
        let client = &self.client;
        if queue > 0 {
            return Ok(Progress::Done);
        }
        for _ in 0..MAX_BATCHES {
            let (next, limits) = scan(client, &client.keys.limits(), &self.limits_cursor)?;
            let command = |limit: &String| {
                RedisCommand::evalsha(&MAINTAIN_RATE_LIMIT, &[])
                    .arg(client.rq.key_patterns())
                    .arg(limit)
                    .arg(iso(Utc::now()))
                    .arg(LIMIT_SLOTS)
            };
            for reply in client.call_all_at_most_once(&limits.iter().map(command).collect::<Vec<_>>())? {
                reply?;
            }
            self.limits_cursor = next;
            if self.limits_cursor == SCAN_START {
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::More)
    }

    /// Removes expired jobs from their groups, and groups without jobs. One worker does it for all, under
    /// RQ's lock.
    pub(super) fn clean_groups(&mut self, queue: usize) -> Result<Progress> {
        let client = &self.client;
        if queue > 0 {
            return Ok(Progress::Done);
        }
        let lock = RedisCommand::new("SET")
            .arg(client.keys.clean_groups())
            .arg(1)
            .arg("NX")
            .arg("EX")
            .arg(GROUPS_INTERVAL_SECS);
        if client.call(&lock)? == Reply::Nil {
            return Ok(Progress::Done);
        }
        let (names, mut cursor) = (client.keys.groups(), SCAN_START.to_owned());
        for _ in 0..MAX_BATCHES {
            let (next, groups) = scan(client, &names, &cursor)?;
            groups.iter().try_for_each(|group| clean_group(client, &names, group))?;
            cursor = next;
            if cursor == SCAN_START {
                break;
            }
        }
        Ok(Progress::Done)
    }

    /// Releases the locks of RQ's schedulers when the worker ends, so that Python's schedulers need not wait
    /// until the locks expire. Other workers of rq-rs take them again.
    pub(super) fn release_scheduler_locks(&self) {
        if self.client.rq.is_enabled() {
            let record = self.client.keys.rq_scheduler(RQ_SCHEDULER_NAME);
            let command = |queue: &QueueKeys| {
                RedisCommand::evalsha(&RELEASE_SCHEDULER_LOCK, &[&queue.scheduler_lock, &record])
                    .arg(RQ_SCHEDULER_NAME)
            };
            let _ = self.client.call_all_single_attempt(&self.queues.iter().map(command).collect::<Vec<_>>());
        }
    }
}

fn scheduler_record(options: &Options) -> Vec<(&'static str, String)> {
    vec![
        ("name", RQ_SCHEDULER_NAME.to_owned()),
        ("hostname", hostname()),
        ("pid", std::process::id().to_string()),
        ("queues", options.queues.join(",")),
        ("created_at", iso(Utc::now())),
    ]
}

/// The script that moves jobs to their queue, without its last arguments.
fn promote_command(client: &Client, keys: &[&str]) -> RedisCommand {
    RedisCommand::evalsha(&PROMOTE_DUE, keys)
        .arg(client.dialect.push)
        .arg(client.dialect.push_front)
        .arg(client.keys.job_prefix())
        .arg(iso(Utc::now()))
        .arg(BATCH)
        .arg(client.rq.key_patterns())
}

/// Removes expired jobs from one group.
fn clean_group(client: &Client, names: &str, group: &str) -> Result<()> {
    let mut cursor = SCAN_START.to_owned();
    for _ in 0..MAX_BATCHES {
        let command = RedisCommand::evalsha(&PRUNE_GROUP, &[&client.keys.group(group), names]);
        let command = command.arg(group).arg(client.keys.job_prefix()).arg(&cursor).arg(BATCH);
        cursor = reply::text(client.call(&command)?)?.unwrap_or_else(|| SCAN_START.to_owned());
        if cursor == SCAN_START {
            break;
        }
    }
    Ok(())
}

/// Scans one part of a set. Returns the next cursor and the members.
fn scan(client: &Client, set: &str, cursor: &str) -> Result<(String, Vec<String>)> {
    let command = RedisCommand::new("SSCAN").arg(set).arg(cursor).arg("COUNT").arg(BATCH);
    let mut parts = reply::list(client.call(&command)?)?.into_iter();
    let mut part = || parts.next().unwrap_or_default();
    Ok((reply::text(part())?.unwrap_or_else(|| SCAN_START.to_owned()), reply::texts(part())?))
}

/// Repeats a script until it handles less than a whole batch. There is more to do if it never does.
fn in_batches(client: &Client, command: impl Fn() -> RedisCommand) -> Result<Progress> {
    for _ in 0..MAX_BATCHES {
        let mut replies = client.call_all_single_attempt(&[command()])?;
        let moved = replies.pop().map_or(Ok(0), |reply| reply::int(&reply?))?;
        if moved < BATCH as i64 {
            return Ok(Progress::Done);
        }
    }
    Ok(Progress::More)
}
