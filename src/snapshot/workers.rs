//! Workers, as their records describe them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::worker_records::{MemoryBudget, fetch_records, split_queues};
use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;
use crate::job::Excerpts;
use crate::wrong_type::WrongTypeKeys;

/// Largest number of workers that are read.
const MAX_WORKERS_READ: usize = 20_000;
/// Number of workers that are read in one round trip.
const WORKERS_PER_BATCH: usize = 100;

/// A worker's record, under RQ's names.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerView {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) queues: Vec<String>,
    /// `true` if `queues` is incomplete because the list is too long.
    pub(crate) queues_cut: bool,
    pub(crate) hostname: String,
    pub(crate) pid: Option<u32>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) version: String,
    pub(crate) birth: Option<String>,
    pub(crate) last_heartbeat: Option<String>,
    /// Last time the worker was healthy: claiming jobs, or with all slots busy.
    pub(crate) last_fetch: Option<String>,
    pub(crate) successful_job_count: u64,
    pub(crate) failed_job_count: u64,
    /// Seconds that all its runs took together.
    pub(crate) total_working_time: f64,
    /// `threads` or `processes`; `None` for a worker of Python.
    pub(crate) runs_in: Option<String>,
    /// `true` if the worker takes no new jobs, on TSTP or `rq-rs quiet`.
    pub(crate) quiet: bool,
    /// Resident memory of the worker's process in bytes.
    pub(crate) memory: Option<u64>,
    /// Threads that run on past the timeout of their jobs.
    pub(crate) stuck_threads: u64,
    /// Jobs of lost workers that this worker has put back.
    pub(crate) recovered_count: u64,
    /// Completions that Redis refused because the lease was someone else's.
    pub(crate) stale_count: u64,
    /// Outages of Redis that have ended.
    pub(crate) reconnect_count: u64,
    /// Length of the worker's leases in seconds.
    pub(crate) lease: Option<i64>,
    /// Concurrency limits by handler; `*` is for all other handlers.
    pub(crate) handler_limits: BTreeMap<String, usize>,
}

impl WorkerView {
    /// Returns whether the worker may listen to this queue. If its list of queues is incomplete the answer is yes,
    /// so that nobody is warned of a queue without workers while there may be one.
    pub(crate) fn listens_to(&self, queue: &str) -> bool {
        self.queues_cut || self.queues.iter().any(|name| name == queue)
    }

    /// The queues on one line; `…` stands for those that are missing.
    pub(crate) fn joined_queues(&self, separator: &str) -> String {
        let more = self.queues_cut.then_some("…");
        self.queues.iter().map(String::as_str).chain(more).collect::<Vec<_>>().join(separator)
    }

    fn read(name: &str, record: &Excerpts, budget: &mut MemoryBudget) -> WorkerView {
        let (queues, queues_cut) = split_queues(record, budget);
        let text = |field: &str| record.text(field);
        let number = |field: &str| text(field).and_then(|value| value.parse::<u64>().ok());
        WorkerView {
            name: name.to_owned(),
            state: text("state").unwrap_or_else(|| "?".to_owned()),
            queues,
            queues_cut,
            hostname: text("hostname").unwrap_or_default(),
            pid: number("pid").and_then(|pid| u32::try_from(pid).ok()),
            concurrency: number("concurrency").and_then(|slots| u32::try_from(slots).ok()),
            version: text("version").unwrap_or_default(),
            birth: text("birth"),
            last_heartbeat: text("last_heartbeat"),
            last_fetch: text("last_fetch"),
            successful_job_count: number("successful_job_count").unwrap_or(0),
            failed_job_count: number("failed_job_count").unwrap_or(0),
            total_working_time: text("total_working_time")
                .and_then(|value| value.parse().ok())
                .unwrap_or(0.0),
            runs_in: text("runs_in"),
            quiet: number("quiet") == Some(1),
            memory: number("memory"),
            stuck_threads: number("stuck_threads").unwrap_or(0),
            recovered_count: number("recovered_count").unwrap_or(0),
            stale_count: number("stale_count").unwrap_or(0),
            reconnect_count: number("reconnect_count").unwrap_or(0),
            lease: number("lease").and_then(|seconds| i64::try_from(seconds).ok()),
            handler_limits: text("handler_limits")
                .and_then(|text| crate::job::read_json(text.as_bytes()).ok())
                .unwrap_or_default(),
        }
    }
}

/// Fetches the records of all workers, sorted by name.
pub(super) fn fetch_workers(client: &Client, wrong_type_keys: &mut WrongTypeKeys) -> Result<Vec<WorkerView>> {
    let set = client.keys.workers();
    let members = client.call(&RedisCommand::new("SMEMBERS").arg(&set)).and_then(reply::texts);
    let mut keys = wrong_type_keys.tolerate(&set, members)?;
    keys.sort_unstable();
    keys.truncate(MAX_WORKERS_READ);
    let (mut workers, mut budget) = (Vec::with_capacity(keys.len()), MemoryBudget::default());
    for keys in keys.chunks(WORKERS_PER_BATCH) {
        for (key, record) in keys.iter().zip(fetch_records(client, keys, &mut budget)?) {
            // The record of a worker that died without deregistering expires before its key leaves the set.
            if let (Some(name), Some(record)) =
                (client.keys.worker_name(key), wrong_type_keys.tolerate(key, record)?)
            {
                workers.push(WorkerView::read(name, &record, &mut budget));
            }
        }
    }
    Ok(workers)
}

/// Fetches whether a worker runs its functions in `threads` or `processes`; `None` for a worker of Python.
pub(crate) fn fetch_runs_in(client: &Client, worker: Option<&str>) -> Result<Option<String>> {
    let Some(name) = worker else { return Ok(None) };
    reply::text(client.call(&RedisCommand::new("HGET").arg(client.keys.worker(name)).arg("runs_in"))?)
}
