//! The snapshot of a whole deployment.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::diagnostic::Diagnostic;
use super::queues::QueueView;
use super::workers::WorkerView;
use crate::server_info::ServerInfo;
use crate::stats::Counts;
use crate::wrong_type::WrongTypeKeys;

/// The state of a deployment at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    pub(crate) server: ServerView,
    /// `true` if all workers are suspended.
    pub(crate) suspended: bool,
    pub(crate) queues: Vec<QueueView>,
    /// The workers, at most a thousand.
    pub(crate) workers: Vec<WorkerView>,
    /// Number of all workers.
    pub(crate) worker_count: usize,
    /// Conditions that an operator should attend to.
    pub(crate) warnings: Vec<Diagnostic>,
    /// Keys of a wrong type, whose content is missing here.
    #[serde(rename = "odd_keys")]
    pub(crate) wrong_type_keys: WrongTypeKeys,
    /// Runs that ended in each of the last sixty minutes, in all of `queues`; the current minute is the last one.
    pub(crate) minutes: Vec<Counts>,
    /// Redis' clock.
    pub(crate) now: DateTime<Utc>,
}

/// The Redis server.
#[derive(Debug, Serialize)]
pub(crate) struct ServerView {
    pub(crate) address: String,
    /// `Redis` or `Valkey`.
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// Bytes that Redis uses; `None` when the user may not read them.
    pub(crate) used_memory: Option<u64>,
    /// Bytes that Redis may use; 0 for no limit.
    pub(crate) maxmemory: Option<u64>,
    pub(crate) maxmemory_policy: Option<String>,
}

impl ServerView {
    pub(super) fn new(address: String, server: ServerInfo) -> Self {
        ServerView {
            address,
            name: server.name,
            version: server.version,
            used_memory: server.used_memory,
            maxmemory: server.maxmemory,
            maxmemory_policy: server.policy,
        }
    }
}
