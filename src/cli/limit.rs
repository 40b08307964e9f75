//! How much of a list is shown, and what is said when it is not all.

use super::output::note;
use crate::program;

/// A number of rows.
pub(crate) fn parse(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("0 would show nothing: give a number from 1 on".to_owned()),
        Ok(limit) => Ok(limit),
        Err(_) => Err(format!("{text:?} is not a number")),
    }
}

/// Says that there is more, and which command shows what of it.
pub(crate) fn note_more(more: usize, command: &str, what: &str) {
    if more > 0 {
        note(format_args!("note: {more} more; `{} {command}` shows {what}", program::name()));
    }
}

/// A name as a shell takes it for one word.
pub(crate) fn word(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.:@%+=".contains(c);
    match !name.is_empty() && name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}
