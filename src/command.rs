//! RQ's commands to a worker: one message on a channel of its own. Who does not listen does not hear it.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::store::{Call, Store, reply};

/// RQ's messages. Fields that are not needed are not looked at.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub(crate) enum Command {
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

impl Command {
    /// Returns whether anybody listens.
    pub(crate) fn send(&self, store: &Store, worker: &str) -> Result<bool> {
        let message = serde_json::to_string(self).unwrap_or_default();
        let call = Call::command("PUBLISH").arg(store.keys.commands(worker)).arg(message);
        Ok(reply::int(&store.ask(&call)?)? > 0)
    }
}
