//! Syntax of job ids, queue names and worker names.

use crate::error::{Error, Result};

/// Largest length of an id or a name in bytes.
const MAX_LENGTH: usize = 200;

/// Checks an id by RQ's rule: letters, digits, `-` and `_`. A worker would quarantine any other id.
pub(crate) fn check_id(id: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !id.is_empty() && id.len() <= MAX_LENGTH && id.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{:?} cannot be a job id", shortened(id)),
        format!("1 to {MAX_LENGTH} characters of A-Z a-z 0-9 - _"),
    ))
}

/// Checks a queue name. It is part of keys and of comma separated lists, and must not look like another
/// key.
pub(crate) fn check_queue_name(name: &str) -> Result<()> {
    let bad = |c: char| c == ',' || c == '/' || c.is_whitespace() || c.is_control();
    let is_another_key = name.ends_with(":intermediate");
    if name.starts_with('-') {
        return Err(Error::invalid(
            format!("{:?} looks like an option, and cannot be a queue name", shortened(name)),
            "options stand before --; a queue's name begins with another character",
        ));
    }
    if !name.is_empty() && name.len() <= MAX_LENGTH && !name.chars().any(bad) && !is_another_key {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{:?} cannot be a queue name", shortened(name)),
        format!("1 to {MAX_LENGTH} characters without space, comma or slash, not ending in :intermediate"),
    ))
}

/// Checks a worker name. It is part of keys and of lists.
#[cfg(feature = "worker")]
pub(crate) fn check_worker_name(name: &str) -> Result<()> {
    let bad = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if !name.is_empty() && name.len() <= MAX_LENGTH && !name.chars().any(bad) {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{name:?} cannot be a worker name"),
        format!("1 to {MAX_LENGTH} characters without space or slash"),
    ))
}

/// Returns the beginning of a name that may be of any length, for an error text.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(60)]
}

#[cfg(test)]
mod tests {
    use super::{check_id, check_queue_name};

    #[test]
    fn ids_follow_rqs_rule() {
        for good in ["a", "0b1c-2_D", &"x".repeat(200)] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", "a:b", "a b", "a.b", "ö", "a\n", &"x".repeat(201)] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn queue_names_cannot_collide_with_other_keys() {
        for good in ["default", "mail:high", "größe"] {
            assert!(check_queue_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a,b", "a b", "a/b", "a\u{1b}", "default:intermediate"] {
            assert!(check_queue_name(bad).is_err(), "{bad}");
        }
    }
}
