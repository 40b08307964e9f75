//! Warnings about names that are most likely misspelled, so that their settings have no effect.

use std::collections::BTreeSet;

use clap::Command;

use super::entries::HandlerConfig;
use super::environment::is_env_set;
use super::option_names::{WORKER, option_names, variable_name};
use super::suggest::closest_name;
use crate::cli::output::warn;
use crate::worker::Handlers;

const PREFIX: &str = "RQ_RS_";
/// Variables that have no option.
const SECRETS: [&str; 2] = ["DASHBOARD_PASSWORD", "DASHBOARD_TOKEN"];
/// Variables that our own processes set for each other.
const INTERNAL: [&str; 3] = ["URL_WAS_TYPED", "HORSE", "WORKER_PROCESS"];
/// Variables that a program of `--exec` gets. The first one is always among them.
const JOB_VARIABLES: [&str; 3] = ["JOB_ID", "QUEUE", "ATTEMPT"];

/// Warns of `RQ_RS_…` variables that have no effect, and returns their number.
pub(crate) fn warn_unknown_variables(command: &Command) -> usize {
    let warnings = check_variables(command);
    warnings.iter().for_each(warn);
    warnings.len()
}

fn check_variables(command: &Command) -> Vec<String> {
    let (known, mut warnings) = known_variables(command);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for (variable, _) in std::env::vars_os() {
        let variable = variable.to_string_lossy();
        let is_known = |name: &str| known.contains(&name) || INTERNAL.contains(&name);
        if let Some(name) = variable.strip_prefix(PREFIX).filter(|name| !is_known(name)) {
            // The file has the options of `worker` in a section of that name, so people write RQ_RS_WORKER_….
            let option = name.strip_prefix("WORKER_").filter(|option| known.contains(option));
            let suggestion = option
                .or_else(|| closest_name(name, &known))
                .map(|name| format!("; did you mean {PREFIX}{name}?"));
            warnings.push(format!("{variable} is no option of rq-rs{}", suggestion.unwrap_or_default()));
        }
    }
    warnings.sort();
    warnings
}

/// Returns the variables that have a meaning, without the prefix, and a warning for each option of `worker` that two
/// variables set.
fn known_variables(command: &Command) -> (BTreeSet<String>, Vec<String>) {
    let commands = std::iter::once(command).chain(command.get_subcommands());
    let own = commands.flat_map(Command::get_arguments).filter_map(|arg| arg.get_env()?.to_str());
    let mut known: BTreeSet<String> =
        own.filter_map(|name| name.strip_prefix(PREFIX)).map(str::to_owned).collect();
    let mut warnings = Vec::new();
    for arg in command.find_subcommand(WORKER).into_iter().flat_map(Command::get_arguments) {
        let variables: Vec<String> = option_names(arg).into_iter().map(variable_name).collect();
        let mut set = variables.iter().filter(|variable| is_env_set(variable));
        if let (Some(used), Some(unused)) = (set.next(), set.next()) {
            warnings.push(format!("{unused} is ignored, because {used} sets the same option"));
        }
        known.extend(variables.iter().filter_map(|name| name.strip_prefix(PREFIX)).map(str::to_owned));
    }
    known.extend(SECRETS.map(str::to_owned));
    if is_env_set(&format!("{PREFIX}{}", JOB_VARIABLES[0])) {
        known.extend(JOB_VARIABLES.map(str::to_owned));
    }
    (known, warnings)
}

/// Returns a warning for each `[handlers.NAME]` of the file that has settings but nothing that runs its jobs.
/// `programs` are the names of `--exec` and `--exec-server`.
pub(crate) fn check_handlers(
    of_file: &[HandlerConfig],
    handlers: &Handlers,
    programs: &[&str],
) -> Vec<String> {
    let mut known = handlers.names();
    known.extend(programs);
    known.extend(of_file.iter().filter(|handler| handler.has_program()).map(|handler| handler.name.as_str()));
    if known.contains(&"*") {
        return Vec::new();
    }
    let is_unknown = |name: &str| name != "*" && !known.contains(&name);
    let warning = |name: &str| {
        let suggestion = closest_name(name, &known).map(|known| format!("; did you mean {known}?"));
        format!("[handlers.{name}]: there is no handler of this name{}", suggestion.unwrap_or_default())
    };
    of_file.iter().map(|handler| handler.name.as_str()).filter(|name| is_unknown(name)).map(warning).collect()
}
