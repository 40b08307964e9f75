//! Duties that any worker does for all: a table of functions, walked by one thread. Each is short,
//! works in batches, and is safe to run in many workers at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chrono::Utc;

use super::background::BackgroundThread;
use super::event::{Event, EventBus};
use super::heartbeat::{WorkerState, hostname};
use super::options::Options;
use crate::client::scripts::{
    EXPIRE, MAINTAIN_RATE_LIMIT, PROMOTE_DUE, PRUNE_GROUP, RELEASE_SCHEDULER_LOCK, TRIM,
};
use crate::client::{Client, RedisCommand, Reply, reply};
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::job::iso;
use crate::recover::{self, OrphanTracker, Recovered};
use crate::registry::statuses_of;
use crate::server_info;

/// The name under which all workers of rq-rs together hold the locks of RQ's schedulers.
const SCHEDULER_NAME: &str = "rq-rs";
/// How many entries one script call moves.
const BATCH: usize = 100;
/// How many slots of a rate limit are looked at.
const LIMIT_SLOTS: usize = 1000;
/// Seconds after which groups are looked after again, by whichever worker, as in RQ.
const GROUPS_INTERVAL_SECS: u64 = 599;
/// How many calls one duty makes for a queue before the next duty has its turn.
const MAX_BATCHES: usize = 100;

struct MaintenanceTask {
    interval: fn(&Options) -> Duration,
    /// For one queue; returns whether nothing is left to be done.
    run: fn(&mut Maintenance, usize) -> Result<bool>,
}

const TASKS: [MaintenanceTask; 8] = [
    MaintenanceTask { interval: |_| Duration::from_secs(1), run: Maintenance::promote_due },
    MaintenanceTask { interval: |options| options.recover_interval, run: Maintenance::promote_ready },
    MaintenanceTask {
        interval: |options| options.recover_interval,
        run: Maintenance::recover_expired_leases,
    },
    MaintenanceTask { interval: |options| options.recover_interval, run: Maintenance::reap_orphans },
    MaintenanceTask { interval: |_| Duration::from_secs(30), run: Maintenance::expire_registries },
    MaintenanceTask { interval: |_| Duration::from_secs(5), run: Maintenance::trim_registries },
    MaintenanceTask { interval: |_| Duration::from_secs(30), run: Maintenance::free_rate_limit_slots },
    MaintenanceTask { interval: |_| Duration::from_secs(60), run: Maintenance::clean_groups },
];

pub(super) fn start(
    client: &Arc<Client>,
    options: &Arc<Options>,
    queues: &[QueueKeys],
    (board, listener): (&Arc<WorkerState>, &EventBus),
) -> BackgroundThread {
    let mut carer = Maintenance {
        client: Arc::clone(client),
        options: Arc::clone(options),
        queues: queues.to_vec(),
        events: listener.clone(),
        orphans: queues.iter().map(|_| OrphanTracker::default()).collect(),
        state: Arc::clone(board),
        record: scheduler_record(options),
        limits_cursor: "0".to_owned(),
        reported: HashMap::new(),
    };
    // Before the first claim, so that a burst worker finds what an earlier one was lost with.
    carer.run_due(&mut TASKS.map(|_| Instant::now()));
    BackgroundThread::start("rq-rs care", move |stop| carer.run(stop))
}

struct Maintenance {
    client: Arc<Client>,
    options: Arc<Options>,
    queues: Vec<QueueKeys>,
    events: EventBus,
    orphans: Vec<OrphanTracker>,
    state: Arc<WorkerState>,
    /// What Python's tools read of us as a scheduler.
    record: Vec<(&'static str, String)>,
    /// Where the look at rate limits goes on.
    limits_cursor: String,
    /// Errors of duties (by their number and the queue's) that people were told of and that have not ended.
    reported: HashMap<(usize, usize), String>,
}

fn scheduler_record(options: &Options) -> Vec<(&'static str, String)> {
    vec![
        ("name", SCHEDULER_NAME.to_owned()),
        ("hostname", hostname()),
        ("pid", std::process::id().to_string()),
        ("queues", options.queues.join(",")),
        ("created_at", iso(Utc::now())),
    ]
}

impl Maintenance {
    fn run(mut self, stop: &Receiver<()>) {
        let mut due = TASKS.map(|duty| Instant::now() + self.jittered((duty.interval)(&self.options)));
        loop {
            let next = due.iter().min().copied().unwrap_or_else(Instant::now);
            let wait = next.saturating_duration_since(Instant::now());
            if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                self.trim_all();
                return self.release_scheduler_locks();
            }
            self.run_due(&mut due);
        }
    }

    /// Before it ends: what a burst has left is not there until the next one comes.
    fn trim_all(&mut self) {
        for queue in 0..self.queues.len() {
            while {
                let result = self.trim_registries(queue);
                !self.handle_result((TASKS.len(), queue), result)
            } {}
        }
    }

    /// So that many workers do not come in step; never later than asked for.
    fn jittered(&self, every: Duration) -> Duration {
        every.mul_f64(0.6 + 0.3 * fastrand::f64())
    }

    fn run_due(&mut self, due: &mut [Instant; TASKS.len()]) {
        for (number, (duty, due)) in TASKS.iter().zip(due).enumerate() {
            if *due > Instant::now() {
                continue;
            }
            let mut is_done = true;
            for queue in 0..self.queues.len() {
                let result = (duty.run)(self, queue);
                is_done &= self.handle_result((number, queue), result);
            }
            // Where there is more, the other duties have their turn first.
            let pause = if is_done { self.jittered((duty.interval)(&self.options)) } else { Duration::ZERO };
            *due = Instant::now() + pause;
        }
    }

    /// Whether nothing is left to be done now.
    fn handle_result(&mut self, (duty, queue): (usize, usize), result: Result<bool>) -> bool {
        match result {
            Ok(is_done) => {
                let told = self.reported.remove(&(duty, queue));
                if let Some(error) = told.filter(|error| !self.is_reported(queue, error)) {
                    let list = &self.queues[queue].list;
                    self.events.emit(&Event::Warning(format!("{list}: no more: {error}")));
                }
                is_done
            }
            // The dispatcher tells people about an outage.
            Err(Error::Unreachable { .. }) => true,
            Err(error) => {
                let (text, list) = (error.to_string(), &self.queues[queue].list);
                if !self.is_reported(queue, &text) {
                    self.events.emit(&Event::Warning(format!("{list}: {text}")));
                }
                self.reported.insert((duty, queue), text);
                true
            }
        }
    }

    /// Whether people know of this error of a queue, and have not been told that it has ended.
    fn is_reported(&self, queue: usize, error: &str) -> bool {
        self.reported.iter().any(|((_, one), told)| *one == queue && told == error)
    }

    /// Jobs that are due go from scheduled to their queue.
    fn promote_due(&mut self, queue: usize) -> Result<bool> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        let (queues, record) = (client.keys.queues(), client.keys.scheduler(SCHEDULER_NAME));
        let (lock, unreadable) = (&queue.scheduler_lock, &queue.unreadable);
        in_batches(client, || {
            let keys = [&queue.scheduled, &queue.list, &queues, unreadable, lock, &record];
            let call = RedisCommand::evalsha(&PROMOTE_DUE, &keys.map(String::as_str))
                .arg(client.dialect.push)
                .arg(client.dialect.push_front)
                .arg(client.keys.job_prefix())
                .arg(iso(Utc::now()))
                .arg(BATCH)
                .arg(client.rq.key_patterns());
            if !client.rq.is_enabled() {
                return call.arg("");
            }
            let call = call.arg(SCHEDULER_NAME).arg("last_heartbeat").arg(iso(Utc::now()));
            self.record.iter().fold(call, |call, (field, value)| call.arg(field).arg(value))
        })
    }

    /// RQ lets a job go that waited for another one in two steps, and what has died between them leaves it in a
    /// registry of its own. Whoever takes it out puts it into its queue: the other one sees that it is gone. So
    /// nobody needs to wait for anybody, as in RQ's own maintenance.
    fn promote_ready(&mut self, queue: usize) -> Result<bool> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        if !client.rq.is_enabled() {
            return Ok(true);
        }
        in_batches(client, || {
            let keys = [&queue.ready, &queue.list, &client.keys.queues(), &queue.unreadable];
            RedisCommand::evalsha(&PROMOTE_DUE, &keys.map(String::as_str))
                .arg(client.dialect.push)
                .arg(client.dialect.push_front)
                .arg(client.keys.job_prefix())
                .arg(iso(Utc::now()))
                .arg(BATCH)
                .arg(client.rq.key_patterns())
                .arg("")
        })
    }

    /// Slots that nobody needs are free again. Limits belong to no queue, so this is done once for all of them.
    fn free_rate_limit_slots(&mut self, queue: usize) -> Result<bool> {
        let client = &self.client;
        if queue > 0 || !client.rq.is_enabled() {
            return Ok(true);
        }
        for _ in 0..MAX_BATCHES {
            let look = RedisCommand::new("SSCAN")
                .arg(client.keys.limits())
                .arg(&self.limits_cursor)
                .arg("COUNT")
                .arg(BATCH);
            let (next, limits) = read_scan(client.query(&look)?)?;
            let call = |limit: &String| {
                RedisCommand::evalsha(&MAINTAIN_RATE_LIMIT, &[])
                    .arg(client.rq.key_patterns())
                    .arg(limit)
                    .arg(iso(Utc::now()))
                    .arg(LIMIT_SLOTS)
            };
            for answer in client.pipeline_once(&limits.iter().map(call).collect::<Vec<_>>())? {
                answer?;
            }
            self.limits_cursor = next;
            if self.limits_cursor == "0" {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Jobs that have expired leave their groups, and groups without jobs are forgotten. One worker does it for all,
    /// under RQ's own lock.
    fn clean_groups(&mut self, queue: usize) -> Result<bool> {
        let client = &self.client;
        if queue > 0 || !client.rq.is_enabled() {
            return Ok(true);
        }
        let lock = RedisCommand::new("SET")
            .arg(client.keys.clean_groups())
            .arg(1)
            .arg("NX")
            .arg("EX")
            .arg(GROUPS_INTERVAL_SECS);
        if client.query(&lock)? == Reply::Nil {
            return Ok(true);
        }
        let (names, mut from) = (client.keys.groups(), "0".to_owned());
        for _ in 0..MAX_BATCHES {
            let look = RedisCommand::new("SSCAN").arg(&names).arg(&from).arg("COUNT").arg(BATCH);
            let (next, groups) = read_scan(client.query(&look)?)?;
            groups.iter().try_for_each(|group| clean_group(client, &names, group))?;
            from = next;
            if from == "0" {
                break;
            }
        }
        Ok(true)
    }

    /// Python's schedulers need not wait until the locks end by themselves; other workers of ours take them again.
    fn release_scheduler_locks(&self) {
        if self.client.rq.is_enabled() {
            let record = self.client.keys.scheduler(SCHEDULER_NAME);
            let call = |queue: &QueueKeys| {
                RedisCommand::evalsha(&RELEASE_SCHEDULER_LOCK, &[&queue.scheduler_lock, &record])
                    .arg(SCHEDULER_NAME)
            };
            let _ = self.client.query_all_no_retry(&self.queues.iter().map(call).collect::<Vec<_>>());
        }
    }

    /// Jobs whose worker is lost run again.
    fn recover_expired_leases(&mut self, queue: usize) -> Result<bool> {
        if self.is_recovery_on_hold()? {
            return Ok(true);
        }
        let limits = (self.options.max_deliveries, self.options.retention());
        for _ in 0..MAX_BATCHES {
            let taken = recover::recover_expired(&self.client, &self.queues[queue], limits, Utc::now())?;
            let is_all = taken.len() < recover::MAX_RECOVERED;
            for recovered in taken {
                self.events.emit(&match recovered {
                    Recovered::Requeued { id } => Event::Recovered { id },
                    Recovered::Failed { id, error } => Event::Failed { id, error },
                });
            }
            if is_all {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Owners of leases could not renew them while Redis was away, or refused; they get one lease's time.
    fn is_recovery_on_hold(&self) -> Result<bool> {
        if self.state.has_failed_heartbeat_within(self.options.lease()) {
            return Ok(true);
        }
        let uptime = server_info::fetch(&self.client)?.uptime;
        Ok(uptime.is_some_and(|seconds| Duration::from_secs(seconds) < self.options.lease()))
    }

    /// Ids that a watcher took and nobody started go back.
    fn reap_orphans(&mut self, queue: usize) -> Result<bool> {
        let back = self.orphans[queue].requeue_orphans(&self.client, &self.queues[queue], Instant::now())?;
        if back > 0 {
            let list = &self.queues[queue].list;
            self.events.emit(&Event::Warning(format!("{list}: {back} forgotten ids put back")));
        }
        Ok(true)
    }

    /// Registries forget what has expired.
    fn expire_registries(&mut self, queue: usize) -> Result<bool> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        // The canceled have the time of their cancel; where RQ's rule holds they are kept for ever.
        let canceled_for = client.dialect.canceled_ttl.as_seconds();
        let canceled = (canceled_for >= 0).then_some((&queue.canceled, canceled_for));
        // A little later than the record itself, so that what hangs on it can be seen to be left.
        let ended = [(&queue.finished, 2), (&queue.failed, 2)];
        let mut is_done = true;
        for (registry, age) in ended.into_iter().chain(canceled) {
            is_done &= in_batches(client, || {
                let call = RedisCommand::evalsha(&EXPIRE, &[registry]).arg(BATCH).arg(age);
                call.arg(client.keys.job_prefix()).arg(client.rq.key_patterns())
            })?;
        }
        Ok(is_done)
    }

    /// Registries have no more entries than they should.
    fn trim_registries(&mut self, queue: usize) -> Result<bool> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        let limits =
            [(&queue.finished, self.options.keep_finished), (&queue.failed, self.options.keep_failed)];
        let mut is_done = true;
        for (registry, kept) in limits.into_iter().filter_map(|(registry, kept)| Some((registry, kept?))) {
            is_done &= in_batches(client, || {
                let call = RedisCommand::evalsha(&TRIM, &[registry]).arg(kept).arg(BATCH);
                call.arg(client.keys.job_prefix())
                    .arg(client.rq.key_patterns())
                    .arg(statuses_of(queue, registry))
            })?;
        }
        Ok(is_done)
    }
}

fn clean_group(client: &Client, names: &str, group: &str) -> Result<()> {
    let mut from = "0".to_owned();
    for _ in 0..MAX_BATCHES {
        let call = RedisCommand::evalsha(&PRUNE_GROUP, &[&client.keys.group(group), names]);
        let call = call.arg(group).arg(client.keys.job_prefix()).arg(&from).arg(BATCH);
        from = reply::text(client.query(&call)?)?.unwrap_or_else(|| "0".to_owned());
        if from == "0" {
            break;
        }
    }
    Ok(())
}

/// Where a scan goes on, and what it has found.
fn read_scan(answer: Reply) -> Result<(String, Vec<String>)> {
    let mut parts = reply::list(answer)?.into_iter();
    let mut part = || parts.next().unwrap_or_default();
    Ok((reply::text(part())?.unwrap_or_else(|| "0".to_owned()), reply::texts(part())?))
}

/// Repeats a call until it moves less than a whole batch. Returns whether it came so far.
fn in_batches(client: &Client, call: impl Fn() -> RedisCommand) -> Result<bool> {
    for _ in 0..MAX_BATCHES {
        let mut answers = client.query_all_no_retry(&[call()])?;
        let moved = answers.pop().map_or(Ok(0), |answer| reply::int(&answer?))?;
        if moved < BATCH as i64 {
            return Ok(true);
        }
    }
    Ok(false)
}
