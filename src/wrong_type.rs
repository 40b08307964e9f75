//! Keys that hold something else than they should, because another program has taken them: they are passed over and
//! named, so that one of them hides nothing of the others.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::{Error, Result};

/// More are not named.
const MAX_KEYS: usize = 100;

/// Their names.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct WrongTypeKeys(BTreeSet<String>);

impl WrongTypeKeys {
    /// What was found at a key; nothing when it is of another type.
    pub(crate) fn tolerate<T: Default>(&mut self, key: &str, found: Result<T>) -> Result<T> {
        match found {
            Err(error) if is_wrong_type(&error) => {
                self.insert(key);
                Ok(T::default())
            }
            found => found,
        }
    }

    pub(crate) fn insert(&mut self, key: &str) {
        if self.0.len() < MAX_KEYS {
            self.0.insert(key.to_owned());
        }
    }

    pub(crate) fn merge(&mut self, other: WrongTypeKeys) {
        other.0.iter().for_each(|key| self.insert(key));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// What was found, nothing when its key is of another type: for a look at one thing, of which something else is told.
pub(crate) fn tolerate_wrong_type<T: Default>(found: Result<T>) -> Result<T> {
    WrongTypeKeys::default().tolerate("", found)
}

/// Before Redis 7 an error in a script has the script's name before it.
pub(crate) fn is_wrong_type(error: &Error) -> bool {
    matches!(error, Error::Refused { reason } if reason.contains("WRONGTYPE"))
}
