//! Where a queue's jobs are, and in which order they are shown.

use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::registry::Registry;

/// Where a queue's jobs are.
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
        JobList::ALL.iter().find(|(_, place)| *place == self).map_or("", |(name, _)| name)
    }

    /// The registry; none for those that wait in the list, or for a limit of many queues.
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
        JobList::ALL.iter().find(|(name, _)| *name == text).map(|(_, place)| *place).ok_or_else(unknown)
    }
}

/// What comes first. Of those that wait it is the next one that is the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SortOrder {
    Newest,
    Oldest,
}
