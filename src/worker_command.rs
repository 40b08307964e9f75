//! RQ's commands to a worker: one message on a channel of its own. Who does not listen does not hear it.

use serde::{Deserialize, Serialize};

use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;

/// RQ's messages. Fields that are not needed are not looked at.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub(crate) enum WorkerCommand {
    Shutdown,
    KillHorse,
    /// These two are ours, Python's workers do not know them.
    Quiet,
    Continue,
    StopJob {
        job_id: String,
    },
    StopExecution {
        job_id: String,
        execution_id: String,
    },
}

impl WorkerCommand {
    /// Returns whether anybody listens.
    pub(crate) fn send(&self, client: &Client, worker: &str) -> Result<bool> {
        let message = serde_json::to_string(self).unwrap_or_default();
        let call = RedisCommand::new("PUBLISH").arg(client.keys.commands(worker)).arg(message);
        Ok(reply::int(&client.query(&call)?)? > 0)
    }
}
