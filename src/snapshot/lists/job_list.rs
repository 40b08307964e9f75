//! The lists of a queue's jobs, and the order in which they are shown.

use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::registry::Registry;

/// A list of a queue's jobs: its queue, one of its registries, or its jobs that wait for a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobList {
    Queued,
    Started,
    Finished,
    Failed,
    Scheduled,
    Deferred,
    RateLimited,
    Canceled,
    Unreadable,
}

impl JobList {
    const ALL: [(&'static str, JobList); 9] = [
        ("queued", JobList::Queued),
        ("started", JobList::Started),
        ("finished", JobList::Finished),
        ("failed", JobList::Failed),
        ("scheduled", JobList::Scheduled),
        ("deferred", JobList::Deferred),
        ("rate_limited", JobList::RateLimited),
        ("canceled", JobList::Canceled),
        ("unreadable", JobList::Unreadable),
    ];

    pub(crate) fn name(self) -> &'static str {
        JobList::ALL.iter().find(|(_, list)| *list == self).map_or("", |(name, _)| name)
    }

    /// The registry of this name; `None` for the queue itself, and for rate limits, which many queues may share.
    pub(crate) fn registry(self, queue: &Queue) -> Option<Registry> {
        Some(match self {
            JobList::Queued | JobList::RateLimited => return None,
            JobList::Started => queue.started(),
            JobList::Finished => queue.finished(),
            JobList::Failed => queue.failed(),
            JobList::Scheduled => queue.scheduled(),
            JobList::Deferred => queue.deferred(),
            JobList::Canceled => queue.canceled(),
            JobList::Unreadable => queue.unreadable(),
        })
    }
}

impl FromStr for JobList {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || {
            let names: Vec<&str> = JobList::ALL.iter().map(|(name, _)| *name).collect();
            Error::invalid(format!("there is no registry {text:?}"), format!("one of {}", names.join(", ")))
        };
        JobList::ALL.iter().find(|(name, _)| *name == text).map(|(_, list)| *list).ok_or_else(unknown)
    }
}

/// Order of the jobs in a list. The oldest job of a queue is the next to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SortOrder {
    Newest,
    Oldest,
}

/// A job's id, with its score if the list has scores.
pub(in crate::snapshot) type ScoredId = (String, Option<f64>);
