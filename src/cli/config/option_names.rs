//! The names that an option has: in the file of `--config`, and in the environment.

use clap::Arg;

/// The command whose options can be set in the file (in a section of this name) and in the environment.
pub(super) const WORKER: &str = "worker";

/// Returns the name of an option in the file: its long name without dashes, or the name of a positional argument.
/// Hidden options and those that clap adds have none.
pub(super) fn option_name(arg: &Arg) -> Option<&str> {
    let is_ours = !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    let name = arg.get_long().or_else(|| arg.is_positional().then(|| arg.get_id().as_str()));
    name.filter(|_| is_ours)
}

/// Returns the name of an option in the file, followed by its aliases.
pub(super) fn option_names(arg: &Arg) -> Vec<&str> {
    let Some(name) = option_name(arg) else { return Vec::new() };
    let aliases = arg.get_all_aliases().unwrap_or_default().into_iter().filter(|alias| !alias.contains('_'));
    std::iter::once(name).chain(aliases).collect()
}

/// Returns the environment variable of an option: `RQ_RS_MAX_JOBS` for `max-jobs`.
pub(super) fn variable_name(option: &str) -> String {
    format!("RQ_RS_{}", option.to_uppercase().replace('-', "_"))
}
