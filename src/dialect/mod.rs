//! A dialect is a table of dialect: which end of a list is the head, which prefix, which keys.
//! The engine and its scripts know no dialect; they get these dialect as arguments.

mod keys;
mod native;
mod rq;
mod rq_metadata;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub(crate) use keys::{Keys, QueueKeys};
pub(crate) use rq_metadata::RqMetadata;

use crate::error::{Error, Result};
use crate::job::{PayloadFormat, Ttl};

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

    pub(crate) fn spec(self) -> &'static DialectSpec {
        match self {
            Dialect::Native => &native::SPEC,
            Dialect::Rq => &rq::SPEC,
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
        f.write_str(self.spec().name)
    }
}

impl FromStr for Dialect {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.spec().name == word)
            .ok_or_else(|| format!("{word:?} is not a dialect: native or rq"))
    }
}

/// The table of a dialect: everything in which dialects differ. Code and scripts outside this folder get these
/// values and never ask for the dialect.
#[derive(Debug)]
pub(crate) struct DialectSpec {
    /// Name for `RQ_RS_DIALECT` and `--dialect`.
    pub(crate) name: &'static str,
    /// Default of the key prefix, the first part of every key.
    pub(crate) prefix: &'static str,
    /// Oldest supported server version, major and minor.
    pub(crate) oldest_server: (u32, u32),
    /// Command that removes the next id from a queue.
    pub(crate) pop: &'static str,
    /// Command that adds an id at the end of a queue.
    pub(crate) push: &'static str,
    /// Command that adds an id at the front of a queue.
    pub(crate) push_front: &'static str,
    /// The next id is the last element of the list.
    pub(crate) pops_from_tail: bool,
    /// Command that waits for the next id and moves it to the intermediate list, and its arguments between the
    /// two keys and the timeout.
    pub(crate) blocking_move: (&'static str, &'static [&'static str]),
    /// Score in the failed registry of jobs that are kept forever.
    pub(crate) failed_forever: &'static str,
    /// How long the record of a canceled job is kept.
    pub(crate) canceled_ttl: Ttl,
    /// Encoding of the fields of new jobs.
    pub(crate) payload_format: PayloadFormat,
    /// Default length of a worker's leases.
    pub(crate) lease: Duration,
    /// Added to the end of a lease for its score in `wip`. Programs that treat a passed score as an expired lease,
    /// such as RQ's own, act this much later than rq-rs.
    pub(crate) lease_grace: Duration,
    /// Scores are whole seconds.
    pub(crate) integer_scores: bool,
    /// Field that counts the retries of a job.
    pub(crate) retries_field: &'static str,
    /// Age at which an id in the intermediate list is an orphan.
    pub(crate) orphan_after: Duration,
    /// Field of the record that holds the result of a finished run; `None` where only the results stream has it.
    pub(crate) result_field: Option<&'static str>,
    /// Field of the record that holds the error of a failed run; `None` where only the results stream has it.
    pub(crate) error_field: Option<&'static str>,
    /// Field of the record that holds the error of a run that is retried.
    pub(crate) retry_error_field: &'static str,
    /// Jobs get RQ's metadata, which only RQ's tools read: see [`RqMetadata`].
    pub(crate) writes_rq_metadata: bool,
    /// Python's workers may work on the same queues.
    pub(crate) is_shared_with_python: bool,
    /// Hint for a worker that is started without handlers.
    pub(crate) handlers_hint: &'static str,
}

impl DialectSpec {
    /// Distance of an expired lease's score in `wip` from now: a lease of ours has expired when its score is less
    /// than this ahead. A score cut to whole seconds may be up to one second too early.
    pub(crate) fn expired_score_margin(&self) -> Duration {
        if self.integer_scores {
            self.lease_grace.saturating_sub(Duration::from_secs(1))
        } else {
            self.lease_grace
        }
    }

    /// Returns the `LRANGE` bounds of a page of a queue, counted from the next id, and whether the reply is in
    /// reverse order.
    pub(crate) fn list_range(&self, offset: usize, limit: usize) -> (i64, i64, bool) {
        let (first, behind) = (offset as i64, (offset + limit) as i64);
        if self.pops_from_tail { (-behind, -first - 1, true) } else { (first, behind - 1, false) }
    }
}
