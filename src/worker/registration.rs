//! The registration of a worker in Redis: its name, the fields of its record that do not change, and the
//! removal of the record.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::options::Options;
use crate::client::{Client, RedisCommand, reply};
use crate::dialect::QueueKeys;
use crate::error::{Error, Result};
use crate::job::{RawHash, iso};

/// Seconds for which the record of a worker that has ended stays readable.
const DEAD_RECORD_TTL: u64 = 60;

/// The fields of a worker's record that do not change.
pub(super) fn static_fields(client: &Client, options: &Options) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("birth", iso(Utc::now())),
        ("queues", options.queues.join(",")),
        ("pid", std::process::id().to_string()),
        ("hostname", hostname()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("concurrency", options.concurrency.to_string()),
        ("runs_in", if options.is_isolated { "processes" } else { "threads" }.to_owned()),
        ("lease", options.lease().as_secs().to_string()),
    ];
    if client.rq.is_enabled() {
        fields.extend(rq_worker_fields(client));
    }
    // Read by `job explain` for jobs that wait for their handler.
    fields.extend(options.handler_limits_json().map(|limits| ("handler_limits", limits)));
    fields
}

/// Fields that only RQ's tools read.
fn rq_worker_fields(client: &Client) -> [(&'static str, String); 2] {
    let info = client.call(&RedisCommand::new("CLIENT").arg("INFO")).and_then(reply::text);
    let info = info.ok().flatten().unwrap_or_default();
    let address = info.split(' ').find_map(|part| part.strip_prefix("addr=")).unwrap_or("unknown");
    let version = concat!("Rust (rq-rs ", env!("CARGO_PKG_VERSION"), ")");
    [("ip_address", address.to_owned()), ("python_version", version.to_owned())]
}

/// Removes the record of a dead worker with the same name.
///
/// # Errors
/// [`Error::NameTaken`] when a live worker has the name: both would write one record. A worker is dead when
/// its process is gone, or its record was not renewed for a lease.
pub(super) fn reserve_name(client: &Client, options: &Options) -> Result<()> {
    let record = client.keys.worker(&options.name);
    let fields = RawHash(reply::pairs(client.call(&RedisCommand::new("HGETALL").arg(&record))?)?);
    let text = |name: &str| fields.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
    let heartbeat = text("last_heartbeat").and_then(|time| DateTime::parse_from_rfc3339(&time).ok());
    let lease = text("lease").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let age = heartbeat.map(|time| (Utc::now() - time.with_timezone(&Utc)).to_std().unwrap_or_default());
    // A Python worker has no field `lease`, and sends a heartbeat only every seven minutes.
    let is_python = lease.is_none() && age.is_some() && client.dialect.is_shared_with_python;
    let is_fresh = is_python || age.is_some_and(|age| age < lease.unwrap_or(options.lease()));
    let (host, pid) = (text("hostname").unwrap_or_default(), text("pid").unwrap_or_default());
    if is_fresh && text("death").is_none() && is_other_live_process(&host, &pid) {
        return Err(Error::NameTaken { name: options.name.clone(), pid });
    }
    client.call(&RedisCommand::new("DEL").arg(record))?;
    Ok(())
}

/// Returns whether the process may be alive and is not this one. (In a container, a new worker has pid 1 again.)
fn is_other_live_process(host: &str, pid: &str) -> bool {
    if host != hostname() {
        return true;
    }
    let Ok(pid) = pid.parse::<i32>() else { return false };
    let is_alive =
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH);
    is_alive && i64::from(pid) != i64::from(std::process::id())
}

/// Removes a worker that ends from the lists of workers. If this fails, the worker's record expires.
pub(super) fn deregister(client: &Client, options: &Options, queues: &[QueueKeys]) {
    let record = client.keys.worker(&options.name);
    let mut calls = vec![RedisCommand::new("SREM").arg(client.keys.workers()).arg(&record)];
    for queue in queues {
        calls.push(RedisCommand::new("SREM").arg(&queue.workers).arg(&record));
    }
    calls.push(RedisCommand::new("HSET").arg(&record).arg("death").arg(iso(Utc::now())));
    calls.push(RedisCommand::new("EXPIRE").arg(&record).arg(DEAD_RECORD_TTL));
    calls.push(RedisCommand::new("DEL").arg(client.keys.executions_of_worker(&options.name)));
    let _ = client.call_all_single_attempt(&calls);
}

/// The name of this machine.
pub(super) fn hostname() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
