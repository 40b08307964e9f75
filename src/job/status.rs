//! The states of a job: RQ's words.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Stored, not in any queue yet.
    Created,
    /// In its queue.
    Queued,
    /// A worker runs it.
    Started,
    /// It returned.
    Finished,
    /// It raised, panicked, timed out, or could not be run.
    Failed,
    /// It waits for other jobs.
    Deferred,
    /// It waits for its time: a delay, or the next retry.
    Scheduled,
    /// A person ended it while it ran.
    Stopped,
    /// A person took it back.
    Canceled,
    /// It waits for a rate limit.
    RateLimited,
    /// What it waited for has ended; it is about to be queued.
    ReadyToEnqueue,
}

const WORDS: [(Status, &str); 11] = [
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
    /// The word in Redis.
    pub fn as_str(self) -> &'static str {
        WORDS.iter().find(|(status, _)| *status == self).map_or("created", |(_, word)| word)
    }

    /// Whether it may not have been in its queue yet.
    pub(crate) fn is_before_the_queue(self) -> bool {
        matches!(self, Status::Created | Status::Deferred | Status::Scheduled | Status::RateLimited)
    }

    /// Whether nothing more will happen to the job by itself.
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

    fn from_str(word: &str) -> Result<Self, ()> {
        WORDS.iter().find(|(_, known)| *known == word).map(|(status, _)| *status).ok_or(())
    }
}
