//! Where a queue's jobs are, and in which order they are shown.

use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::registry::Registry;

/// Where a queue's jobs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
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

impl Place {
    const ALL: [(&'static str, Place); 9] = [
        ("queued", Place::Queued),
        ("started", Place::Started),
        ("finished", Place::Finished),
        ("failed", Place::Failed),
        ("scheduled", Place::Scheduled),
        ("deferred", Place::Deferred),
        ("rate_limited", Place::RateLimited),
        ("canceled", Place::Canceled),
        ("unreadable", Place::Unreadable),
    ];

    pub(crate) fn name(self) -> &'static str {
        Place::ALL.iter().find(|(_, place)| *place == self).map_or("", |(name, _)| name)
    }

    /// The registry; none for those that wait in the list, or for a limit of many queues.
    pub(crate) fn registry(self, queue: &Queue) -> Option<Registry> {
        Some(match self {
            Place::Queued | Place::RateLimited => return None,
            Place::Started => queue.started(),
            Place::Finished => queue.finished(),
            Place::Failed => queue.failed(),
            Place::Scheduled => queue.scheduled(),
            Place::Deferred => queue.deferred(),
            Place::Canceled => queue.canceled(),
            Place::Unreadable => queue.unreadable(),
        })
    }
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || {
            let names: Vec<&str> = Place::ALL.iter().map(|(name, _)| *name).collect();
            Error::invalid(format!("there is no registry {text:?}"), format!("one of {}", names.join(", ")))
        };
        Place::ALL.iter().find(|(name, _)| *name == text).map(|(_, place)| *place).ok_or_else(unknown)
    }
}

/// What comes first. Of those that wait it is the next one that is the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    Newest,
    Oldest,
}
