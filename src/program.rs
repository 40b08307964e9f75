//! What the program is called that somebody has started, for hints that say what to type.

use std::sync::OnceLock;

static NAME: OnceLock<String> = OnceLock::new();

/// As it was typed, once [`set_name`] knows.
pub(crate) fn name() -> &'static str {
    NAME.get().map_or("rq-rs", String::as_str)
}

/// The first one counts.
#[cfg(feature = "cli")]
pub(crate) fn set_name(name: &str) {
    let _ = NAME.set(name.to_owned());
}

/// A hint that names the help of a command.
pub(crate) fn help_hint(command: &str) -> String {
    format!("see `{} {command} --help`", name())
}
