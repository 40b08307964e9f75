//! States of a job, by RQ's names.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// State of a job. The names are RQ's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// The job is stored, but in no queue yet.
    Created,
    /// The job is in its queue.
    Queued,
    /// A worker runs the job.
    Started,
    /// The handler returned.
    Finished,
    /// The handler returned an error, panicked or timed out, or the job could not be run; no retry follows.
    Failed,
    /// The job waits for other jobs, its dependencies.
    Deferred,
    /// The job waits for its time: after a delay, for a retry, or for a repetition.
    Scheduled,
    /// The job was stopped while it ran.
    Stopped,
    /// The job was canceled.
    Canceled,
    /// The job waits for a rate limit.
    RateLimited,
    /// The job's dependencies have ended; it is about to be queued.
    ReadyToEnqueue,
}

/// Every status with its name in Redis.
const NAMES: [(Status, &str); 11] = [
    (Status::Created, "created"),
    (Status::Queued, "queued"),
    (Status::Started, "started"),
    (Status::Finished, "finished"),
    (Status::Failed, "failed"),
    (Status::Deferred, "deferred"),
    (Status::Scheduled, "scheduled"),
    (Status::Stopped, "stopped"),
    (Status::Canceled, "canceled"),
    (Status::RateLimited, "rate_limited"),
    (Status::ReadyToEnqueue, "ready_to_enqueue"),
];

impl Status {
    /// Returns the name of the status, as Redis and the command line have it: `queued`, `rate_limited`.
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(status, _)| *status == self).map_or("created", |(_, name)| name)
    }

    /// Returns whether the job may not have been in its queue yet.
    pub(crate) fn is_before_the_queue(self) -> bool {
        matches!(self, Status::Created | Status::Deferred | Status::Scheduled | Status::RateLimited)
    }

    /// Returns whether the job is finished, failed, stopped or canceled, and nothing more happens to it by
    /// itself.
    pub fn has_ended(self) -> bool {
        matches!(self, Status::Finished | Status::Failed | Status::Stopped | Status::Canceled)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(status, _)| *status).ok_or(())
    }
}
