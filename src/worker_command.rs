//! RQ's commands to a running worker: JSON messages on the worker's pub/sub channel.

use serde::{Deserialize, Serialize};

use crate::client::{Client, RedisCommand, reply};
use crate::error::Result;

/// A command in RQ's format. Unknown fields are ignored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub(crate) enum RemoteCommand {
    Shutdown,
    KillHorse,
    /// Unknown to Python's workers, which ignore it; so is `Continue`.
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

impl RemoteCommand {
    /// Publishes the command, and returns whether the worker listens. A message that no one receives is lost.
    pub(crate) fn send(&self, client: &Client, worker: &str) -> Result<bool> {
        let message = serde_json::to_string(self).unwrap_or_default();
        let publish = RedisCommand::new("PUBLISH").arg(client.keys.commands(worker)).arg(message);
        Ok(reply::int(&client.call(&publish)?)? > 0)
    }
}
