//! Dialects: the keys and formats in Redis. A dialect is a table of values, and code outside this folder reads the
//! values instead of comparing dialects. It branches in two cases only: [`DialectSpec::is_shared_with_python`] for
//! rules about Python's workers, and [`RqMetadata::is_enabled`] for steps on keys that only RQ's layout has.

mod keys;
mod native;
mod rq;
mod rq_metadata;
mod spec;

use std::fmt;
use std::str::FromStr;

pub(crate) use keys::{Keys, QueueKeys};
pub(crate) use rq_metadata::RqMetadata;
pub(crate) use spec::DialectSpec;

use crate::error::{Error, Result};

/// The keys and formats of jobs in Redis. All programs that use the same queues need the same dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// The dialect of rq-rs alone: JSON payloads, key prefix `rq-rs`, Redis 5 or later. The default.
    #[default]
    Native,
    /// The dialect of Python RQ 3.0, so that producers, workers and tools of Python's use the same queues: pickle
    /// payloads, key prefix `rq`, Redis 6.2 or later.
    Rq,
}

impl Dialect {
    pub(crate) const ALL: [Dialect; 2] = [Dialect::Native, Dialect::Rq];

    pub(crate) fn spec(self) -> &'static DialectSpec {
        match self {
            Dialect::Native => &native::SPEC,
            Dialect::Rq => &rq::SPEC,
        }
    }

    /// The dialect that the environment variable `RQ_RS_DIALECT` names; native if it is not set.
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
