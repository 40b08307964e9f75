//! Ids and names, checked once at the border.

use crate::error::{Error, Result};

const LONGEST: usize = 200;

/// RQ's rule: letters, digits, `-` and `_`; a worker would set aside anything else.
pub(crate) fn check_id(id: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !id.is_empty() && id.len() <= LONGEST && id.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{:?} cannot be a job id", shortened(id)),
        format!("1 to {LONGEST} characters of A-Z a-z 0-9 - _"),
    ))
}

/// Queue names stand in keys and in comma separated lists, and must not look like another key.
pub(crate) fn check_queue_name(name: &str) -> Result<()> {
    let bad = |c: char| c == ',' || c == '/' || c.is_whitespace() || c.is_control();
    let takes_another_key = name.ends_with(":intermediate");
    if name.starts_with('-') {
        return Err(Error::invalid(
            format!("{:?} looks like an option, and cannot be a queue name", shortened(name)),
            "options stand before --; a queue's name begins with another character",
        ));
    }
    if !name.is_empty() && name.len() <= LONGEST && !name.chars().any(bad) && !takes_another_key {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{:?} cannot be a queue name", shortened(name)),
        format!("1 to {LONGEST} characters without space, comma or slash, not ending in :intermediate"),
    ))
}

#[cfg(feature = "worker")]
/// Worker names stand in keys and in lists.
pub(crate) fn check_worker_name(name: &str) -> Result<()> {
    let bad = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    if !name.is_empty() && name.len() <= LONGEST && !name.chars().any(bad) {
        return Ok(());
    }
    Err(Error::invalid(
        format!("{name:?} cannot be a worker name"),
        format!("1 to {LONGEST} characters without space or slash"),
    ))
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(60)]
}

#[cfg(test)]
mod tests {
    use super::{check_id, check_queue_name};

    #[test]
    fn ids_are_what_python_can_read() {
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
