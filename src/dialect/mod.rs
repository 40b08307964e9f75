//! A dialect is a table of facts: which end of a list is the head, which prefix, which keys.
//! The engine and its scripts know no dialect; they get these facts as arguments.

mod keys;
mod native;

pub(crate) use keys::{Keys, QueueKeys};

/// How jobs are laid out in Redis.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The first part of every key, when nothing else is asked for.
    pub(crate) prefix: &'static str,
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
}

impl Dialect {
    /// `LRANGE` bounds of a page counted from the next id, and whether the reply is back to front.
    pub(crate) fn page(&self, offset: usize, limit: usize) -> (i64, i64, bool) {
        let (first, behind) = (offset as i64, (offset + limit) as i64);
        if self.next_is_last { (-behind, -first - 1, true) } else { (first, behind - 1, false) }
    }
}

pub(crate) use native::NATIVE;
