//! Name of the running program, for hints that contain a command line.

use std::sync::OnceLock;

static NAME: OnceLock<String> = OnceLock::new();

/// Name under which the program was started; `rq-rs` in a program without the command line.
pub(crate) fn name() -> &'static str {
    NAME.get().map_or("rq-rs", String::as_str)
}

/// Sets the name. Only the first call has an effect.
#[cfg(feature = "cli")]
pub(crate) fn set_name(name: &str) {
    let _ = NAME.set(name.to_owned());
}

/// A hint that refers to the help of a command.
pub(crate) fn help_hint(command: &str) -> String {
    format!("see `{} {command} --help`", name())
}
