//! The registration of a scheduler: the record that Python's tools read, and the set of schedulers that are alive.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::records::CronRecord;
use super::scheduler::CronScheduler;
use crate::client::{Client, RedisCommand};
use crate::error::Result;
use crate::job::iso;

/// Time for which a scheduler's record outlives its last heartbeat, as in RQ.
pub(super) const RECORD_TTL: Duration = Duration::from_secs(120);

/// Describes a scheduler: a worker with entries, or `rq-rs cron`.
pub(crate) struct CronSchedulerInfo {
    pub(crate) name: String,
    pub(crate) hostname: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) config_file: String,
}

/// Writes the record of a scheduler with its entries, as a heartbeat at this time.
pub(crate) fn publish(
    client: &Client,
    info: &CronSchedulerInfo,
    scheduler: &CronScheduler,
    now: f64,
) -> Result<()> {
    let records: Vec<CronRecord> = scheduler.entries.iter().map(CronRecord::new).collect();
    let key = client.keys.cron_scheduler(&info.name);
    let record = RedisCommand::new("HSET")
        .arg(&key)
        .arg("hostname")
        .arg(&info.hostname)
        .arg("pid")
        .arg(std::process::id())
        .arg("name")
        .arg(&info.name)
        .arg("created_at")
        .arg(iso(info.created_at))
        .arg("config_file")
        .arg(&info.config_file)
        .arg("cron_jobs")
        .arg(serde_json::to_string(&records).unwrap_or_default());
    let commands = [
        record,
        RedisCommand::new("EXPIRE").arg(&key).arg(RECORD_TTL.as_secs()),
        RedisCommand::new("ZADD").arg(client.keys.cron_schedulers()).arg(now).arg(&info.name),
    ];
    client.call_all(&commands)?.into_iter().try_for_each(|reply| reply.map(drop))
}

/// Takes a scheduler that ends out of the set. Its record expires, as in RQ.
pub(crate) fn deregister(client: &Client, name: &str) -> Result<()> {
    client.call(&RedisCommand::new("ZREM").arg(client.keys.cron_schedulers()).arg(name)).map(drop)
}
