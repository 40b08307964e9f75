//! Keys that hold another type than rq-rs expects, because another program uses them. Readers skip such a key and
//! report its name, so that it hides nothing else.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::{Error, Result};

const MAX_KEYS: usize = 100;

/// The names of the keys that were skipped, at most [`MAX_KEYS`].
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct WrongTypeKeys(BTreeSet<String>);

impl WrongTypeKeys {
    /// Returns the result, or the default if the key has another type; then its name is recorded.
    pub(crate) fn tolerate<T: Default>(&mut self, key: &str, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if is_wrong_type(&error) => {
                self.insert(key);
                Ok(T::default())
            }
            result => result,
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

/// Returns the result, or the default if the key has another type. The name of the key is not reported.
pub(crate) fn tolerate_wrong_type<T: Default>(result: Result<T>) -> Result<T> {
    WrongTypeKeys::default().tolerate("", result)
}

/// Returns whether the error is Redis' `WRONGTYPE`. Before Redis 7 the error of a script begins with "ERR Error running
/// script", and the code comes later.
pub(crate) fn is_wrong_type(error: &Error) -> bool {
    matches!(error, Error::Refused { reason } if reason.contains("WRONGTYPE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_type_is_recognized_in_the_error_of_a_script_of_any_redis() {
        let is_recognized = |reason: &str| is_wrong_type(&Error::Refused { reason: reason.to_owned() });
        assert!(is_recognized("WRONGTYPE Operation against a key holding the wrong kind of value"));
        assert!(is_recognized(
            "ERR Error running script (call to f_c141): @user_script:20: WRONGTYPE Operation against a key"
        ));
        assert!(!is_recognized("OOM command not allowed when used memory > 'maxmemory'."));
    }
}
