//! The maintenance tasks of the dialect rq: they keep what RQ's own workers and schedulers keep in order.

use std::time::Duration;

use super::tasks::{BATCH, MAX_BATCHES, MaintenanceTask, Progress, SCAN_START, Tasks, in_batches};
use crate::client::scripts::{AsText, MaintainRateLimit, PromoteDue, PruneGroup};
use crate::client::{Client, RedisCommand, Reply, now, reply};
use crate::error::Result;

/// Maximum number of slots of one rate limit that are checked at a time.
const LIMIT_SLOTS: usize = 1000;
/// Interval in seconds at which one worker cleans the groups for all, as in RQ.
const GROUPS_INTERVAL_SECS: u64 = 599;

/// The tasks of the dialect rq.
pub(super) const RQ_TASKS: [MaintenanceTask; 3] = [
    MaintenanceTask::new(|options| options.recover_interval, Tasks::promote_ready),
    MaintenanceTask::new(|_| Duration::from_secs(30), Tasks::free_rate_limit_slots),
    MaintenanceTask::new(|_| Duration::from_secs(60), Tasks::clean_groups),
];

impl Tasks {
    /// Enqueues released jobs that no process has enqueued. RQ releases a job that waited for another job in two
    /// steps; a process that dies between them leaves the job in the registry of ready jobs. The process that removes
    /// the job from this registry enqueues it, and any other process finds it gone. So no worker has to wait for
    /// another one, as in RQ's own maintenance.
    fn promote_ready(&mut self, queue: usize) -> Result<Progress> {
        let (client, queue) = (&self.client, &self.queues[queue]);
        in_batches(client, || {
            client.evalsha(&PromoteDue {
                registry: &queue.ready,
                list: &queue.list,
                queues: &client.keys.queues(),
                unreadable: &queue.unreadable,
                lock_and_record: &[],
                enqueued_at: &now(),
                max_jobs: BATCH,
                scheduler: "",
            })
        })
    }

    /// Frees the slots of rate limits that no job needs any more. Limits belong to no queue, so the task runs for the
    /// first queue only.
    fn free_rate_limit_slots(&mut self, queue: usize) -> Result<Progress> {
        let client = &self.client;
        if queue > 0 {
            return Ok(Progress::Done);
        }
        for _ in 0..MAX_BATCHES {
            let (next, limits) = scan(client, &client.keys.limits(), &self.limits_cursor)?;
            let command = |name: &String| {
                client.evalsha(&MaintainRateLimit { name, enqueued_at: &now(), max_slots: LIMIT_SLOTS })
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
    fn clean_groups(&mut self, queue: usize) -> Result<Progress> {
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
}

/// Removes expired jobs from one group.
fn clean_group(client: &Client, names: &str, group: &str) -> Result<()> {
    let mut cursor = SCAN_START.to_owned();
    for _ in 0..MAX_BATCHES {
        let command = client.evalsha(&PruneGroup {
            group: &client.keys.group(group),
            groups: names,
            name: group,
            cursor: &cursor,
            count: AsText(BATCH),
        });
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
