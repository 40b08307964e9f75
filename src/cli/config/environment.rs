//! Options in the environment.

use clap::{ArgAction, Command};

use super::option_names::{WORKER, option_names, variable_name};
use crate::cli::value_parsers::parse_switch;

/// Lets each option of `worker` be set by a variable too, such as `RQ_RS_MAX_JOBS`.
pub(crate) fn with_environment(command: Command) -> Command {
    command.mut_subcommand(WORKER, |worker| {
        worker.mut_args(|arg| {
            let mut variables = option_names(&arg).into_iter().map(variable_name);
            let Some(variable) = variables.find(|name| is_env_set(name)) else { return arg };
            if arg.get_env().is_some() {
                return arg;
            }
            let arg = match arg.get_action() {
                ArgAction::SetTrue => arg.value_parser(parse_switch),
                _ => arg,
            };
            arg.env(variable).hide_env(true)
        })
    })
}

/// Returns whether a variable is set. An empty one counts as not set.
pub(super) fn is_env_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}
