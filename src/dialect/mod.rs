//! A dialect is a table of dialect: which end of a list is the head, which prefix, which keys.
//! The engine and its scripts know no dialect; they get these dialect as arguments.

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
