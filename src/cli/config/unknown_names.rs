//! Names that nobody knows: most likely slips of the fingers, and a setting that is not in force.

use std::collections::BTreeSet;

use clap::Command;

use super::{WORKER, file, option_names, variable_name};
use crate::worker::Handlers;

use super::entries::HandlerConfig;

const PREFIX: &str = "RQ_RS_";
/// Those that are not options.
const SECRETS: [&str; 2] = ["DASHBOARD_PASSWORD", "DASHBOARD_TOKEN"];
/// What our own processes tell each other, which nobody else sets.
const INTERNAL: [&str; 3] = ["URL_WAS_TYPED", "HORSE", "WORKER_PROCESS"];
/// What a program of `--exec` is given, with the first of them always.
const JOB_VARIABLES: [&str; 3] = ["JOB_ID", "QUEUE", "ATTEMPT"];

/// What is to be said of the environment.
pub(super) fn check_variables(command: &Command) -> Vec<String> {
    let of_worker = command.find_subcommand(WORKER).into_iter().flat_map(Command::get_arguments);
    let commands = std::iter::once(command).chain(command.get_subcommands());
    let own = commands.flat_map(Command::get_arguments).filter_map(|arg| arg.get_env()?.to_str());
    let mut known: BTreeSet<String> =
        own.filter_map(|name| name.strip_prefix(PREFIX)).map(str::to_owned).collect();
    let mut told = Vec::new();
    for arg in of_worker {
        let variables: Vec<String> = option_names(arg).into_iter().map(variable_name).collect();
        let mut set = variables.iter().filter(|variable| is_env_set(variable));
        if let (Some(one), Some(other)) = (set.next(), set.next()) {
            told.push(format!("{other} is not looked at, because {one} says the same"));
        }
        known.extend(variables.iter().filter_map(|name| name.strip_prefix(PREFIX)).map(str::to_owned));
    }
    known.extend(SECRETS.map(str::to_owned));
    if is_env_set(&format!("{PREFIX}{}", JOB_VARIABLES[0])) {
        known.extend(JOB_VARIABLES.map(str::to_owned));
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for (variable, _) in std::env::vars_os() {
        let variable = variable.to_string_lossy();
        let is_known = |name: &str| known.contains(&name) || INTERNAL.contains(&name);
        if let Some(name) = variable.strip_prefix(PREFIX).filter(|name| !is_known(name)) {
            // In the file an option of `worker` stands in its section.
            let option = name.strip_prefix("WORKER_").filter(|option| known.contains(option));
            let meant = option
                .or_else(|| file::closest_name(name, &known))
                .map(|name| format!("; did you mean {PREFIX}{name}?"));
            told.push(format!("{variable} is no option of rq-rs{}", meant.unwrap_or_default()));
        }
    }
    told.sort();
    told
}

/// An empty one says nothing.
pub(super) fn is_env_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// What is to be said of handlers of the file that have settings and nothing that runs them.
pub(crate) fn check_handlers(of_file: &[HandlerConfig], all: &Handlers, typed: &[&str]) -> Vec<String> {
    let mut known = all.names();
    known.extend(typed);
    known.extend(of_file.iter().filter(|one| one.has_program()).map(|one| one.name.as_str()));
    if known.contains(&"*") {
        return Vec::new();
    }
    let unknown = of_file.iter().filter(|one| one.name != "*" && !known.contains(&one.name.as_str()));
    let told = |one: &HandlerConfig| {
        let meant = file::closest_name(&one.name, &known).map(|name| format!("; did you mean {name}?"));
        format!("[handlers.{}]: there is no handler of this name{}", one.name, meant.unwrap_or_default())
    };
    unknown.map(told).collect()
}
