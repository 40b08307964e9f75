//! A run of a job in this worker: its number, the data that its handler sees, and the job itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::claim::ClaimedJob;
use crate::job::{Record, Serializer};

/// Number of a run, unique in a worker. Each run of a job has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunId(pub(crate) u64);

/// The data of a run that its handler sees, which a work horse receives over its socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunInfo {
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) execution_id: String,
    pub(crate) worker: String,
    pub(crate) description: String,
    pub(crate) attempt: u32,
    pub(crate) delivery: u32,
    pub(crate) meta: Map<String, Value>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) serializer: Serializer,
}

impl RunInfo {
    /// The data of a run of this job, which was claimed from `queue`.
    pub(crate) fn new(job: &ClaimedJob, queue: &str) -> Self {
        let record = &job.record;
        RunInfo {
            id: record.id.clone(),
            queue: queue.to_owned(),
            execution_id: job.execution.clone(),
            worker: job.worker.clone(),
            description: record.description.clone(),
            attempt: record.number_of_retries + 1,
            delivery: record.deliveries + 1,
            meta: record.meta.clone(),
            timeout: job.timeout(),
            serializer: record.serializer,
        }
    }
}

/// The record and payload of a claimed job, for its handler.
#[derive(Debug)]
pub(crate) struct RunnableJob {
    pub(crate) record: Record,
    /// The payload as it is stored in Redis.
    pub(crate) payload: Vec<u8>,
}

/// A field of a job's record that a run of the job writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobField {
    pub(crate) id: String,
    pub(crate) execution: String,
    pub(crate) name: &'static str,
}
