//! The commands and the options that all of them have.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use super::config::show::ConfigCommand;
use super::control::WorkerNames;
use super::cron::CronCommand;
#[cfg(feature = "dashboard")]
use super::dashboard::{ACCESS_OPTIONS, DashboardCommand};
use super::demo::DemoCommand;
use super::empty::EmptyCommand;
use super::enqueue::EnqueueCommand;
use super::failed::FailedCommand;
use super::info::InfoCommand;
use super::job::JobCommand;
use super::metrics::MetricsCommand;
use super::python_rq::with_ignored_options;
use super::redis_options::RedisOptions;
use super::requeue::RequeueCommand;
use super::suspend::{ResumeCommand, SuspendCommand};
#[cfg(feature = "top")]
use super::top::TopCommand;
use super::worker::WorkerCommand;

/// A lightweight job queue on Redis: Python RQ for Rust
#[derive(Parser)]
#[command(name = "rq-rs", version, max_term_width = 100)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) redis: RedisOptions,
    /// A TOML file with options, handlers and cron entries; see `rq-rs config --help`
    #[arg(long, global = true, env = "RQ_RS_CONFIG", hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) command: CliCommand,
}

impl Cli {
    /// Builds the command line. The options of `dashboard` begin with `--dashboard-` in `worker`.
    pub(super) fn build_command() -> clap::Command {
        #[cfg(feature = "dashboard")]
        let rename = |arg: clap::Arg| match ACCESS_OPTIONS.contains(&arg.get_id().as_str()) {
            true => {
                let long = format!("dashboard-{}", arg.get_id());
                arg.long(long)
            }
            false => arg,
        };
        #[cfg(not(feature = "dashboard"))]
        let rename = std::convert::identity::<clap::Arg>;
        with_ignored_options(Cli::command().mut_subcommand("worker", |worker| worker.mut_args(rename)))
    }
}

#[derive(Subcommand)]
pub(super) enum CliCommand {
    Worker(Box<WorkerCommand>),
    Enqueue(Box<EnqueueCommand>),
    Info(InfoCommand),
    /// Look at one job, cancel it, stop it, delete it
    Job {
        #[command(subcommand)]
        command: JobCommand,
    },
    Failed(FailedCommand),
    Requeue(RequeueCommand),
    Empty(EmptyCommand),
    Suspend(SuspendCommand),
    Resume(ResumeCommand),
    /// Tell workers, rq-rs' or Python's, to end after their running jobs
    Shutdown(WorkerNames),
    /// Tell workers to start no more jobs until they are told to continue; running jobs are completed
    Quiet(WorkerNames),
    /// Let quiet workers start jobs again
    Continue(WorkerNames),
    /// Tell workers to kill their running jobs, which then fail or are retried
    KillHorse(WorkerNames),
    Cron(CronCommand),
    Config(ConfigCommand),
    Metrics(MetricsCommand),
    #[cfg(feature = "dashboard")]
    Dashboard(DashboardCommand),
    #[cfg(feature = "top")]
    Top(TopCommand),
    Demo(DemoCommand),
    /// Print a completion script, as in: rq-rs completions bash > /etc/bash_completion.d/rq-rs
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Replaces `rq-rs` in the help by the name under which the program was started.
pub(super) fn with_program_name(command: clap::Command, name: &str) -> clap::Command {
    if name == "rq-rs" {
        return command;
    }
    // In these texts the name occurs only in commands to type.
    let renamed = |text: &clap::builder::StyledStr| {
        text.to_string().replace("rq-rs ", &format!("{name} ")).replace("/rq-rs", &format!("/{name}"))
    };
    let texts = [command.get_about(), command.get_long_about(), command.get_after_help()];
    let [about, long_about, after] = texts.map(|text| text.map(renamed));
    let mut command = command;
    command = about.into_iter().fold(command, clap::Command::about);
    command = long_about.into_iter().fold(command, clap::Command::long_about);
    command = after.into_iter().fold(command, clap::Command::after_help);
    let arg = |arg: clap::Arg| match (arg.get_help().map(renamed), arg.get_long_help().map(renamed)) {
        (Some(help), Some(long)) => arg.help(help).long_help(long),
        (Some(help), None) => arg.help(help),
        _ => arg,
    };
    command.mut_args(arg).mut_subcommands(|sub| with_program_name(sub, name))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_options_of_the_commands_do_not_conflict() {
        super::Cli::build_command().debug_assert();
    }
}
