//! A dialect is a table of facts: which end of a list is the head, which prefix, which keys.
//! The engine and its scripts know no dialect; they get these facts as arguments.

mod keys;
mod native;
mod rq;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub(crate) use keys::{Keys, QueueKeys};

use crate::error::{Error, Result};
use crate::job::{Ttl, Wire};

/// How jobs are laid out in Redis. All that work on the same queues speak the same dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// rq-rs' own: JSON payloads, key prefix `rq-rs`, Redis 5 or later.
    #[default]
    Native,
    /// Python RQ 3.0's: Python producers, Python workers and RQ's tools work on the same queues.
    /// Key prefix `rq`, Redis 6.2 or later.
    Rq,
}

impl Dialect {
    /// All there are.
    pub(crate) const ALL: [Dialect; 2] = [Dialect::Native, Dialect::Rq];

    pub(crate) fn facts(self) -> &'static Facts {
        match self {
            Dialect::Native => &native::FACTS,
            Dialect::Rq => &rq::FACTS,
        }
    }

    /// What `RQ_RS_DIALECT` says; native when it says nothing.
    pub(crate) fn from_environment() -> Result<Self> {
        match std::env::var("RQ_RS_DIALECT") {
            Ok(word) if !word.is_empty() => word
                .parse()
                .map_err(|what: String| Error::invalid(format!("RQ_RS_DIALECT: {what}"), "native or rq")),
            _ => Ok(Dialect::Native),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().name)
    }
}

impl FromStr for Dialect {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.facts().name == word)
            .ok_or_else(|| format!("{word:?} is not a dialect: native or rq"))
    }
}

/// The table.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) name: &'static str,
    /// The first part of every key, when nothing else is asked for.
    pub(crate) prefix: &'static str,
    /// The oldest server that has all commands.
    pub(crate) oldest_server: (u32, u32),
    /// Takes the next id.
    pub(crate) pop: &'static str,
    /// Adds an id behind all others.
    pub(crate) push: &'static str,
    /// Adds an id before all others.
    pub(crate) push_front: &'static str,
    /// Whether the next id is the last one of the list.
    pub(crate) next_is_last: bool,
    /// Waits for the next id and moves it to the intermediate list: command, then what follows
    /// the two keys, before the seconds to wait.
    pub(crate) wait: (&'static str, &'static [&'static str]),
    /// The score in the failed registry of what is kept for ever.
    pub(crate) failed_forever: &'static str,
    /// How long the record of a canceled job is kept.
    pub(crate) canceled_ttl: Ttl,
    /// What fields of new jobs look like.
    pub(crate) wire: Wire,
    /// How long a job stays with a silent worker, unless the worker says otherwise.
    pub(crate) lease: Duration,
    /// How much later than the lease ends its score in `wip` is. Whoever else reaps what has passed
    /// comes after us.
    pub(crate) margin: Duration,
    /// Whether that score is whole seconds.
    pub(crate) whole_seconds: bool,
    /// Where retries are counted.
    pub(crate) retries_field: &'static str,
    /// How long an id may lie in the intermediate list before it is taken for forgotten.
    pub(crate) forgotten: Duration,
    /// Whether what only Python's tools read is written: runs, results as a stream, full worker
    /// records.
    pub(crate) keeps_books: bool,
    /// What a worker without handlers is advised to have.
    pub(crate) handlers: &'static str,
}

impl Facts {
    /// How far ahead the score of a lease of ours still is when the lease has passed. A score that was
    /// cut to whole seconds may be up to one earlier than it should be.
    pub(crate) fn overdue(&self) -> Duration {
        if self.whole_seconds { self.margin.saturating_sub(Duration::from_secs(1)) } else { self.margin }
    }

    /// `LRANGE` bounds of a page counted from the next id, and whether the reply is back to front.
    pub(crate) fn page(&self, offset: usize, limit: usize) -> (i64, i64, bool) {
        let (first, behind) = (offset as i64, (offset + limit) as i64);
        if self.next_is_last { (-behind, -first - 1, true) } else { (first, behind - 1, false) }
    }
}
