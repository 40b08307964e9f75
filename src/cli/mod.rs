//! The command line: what was typed becomes the library's own values, one file for each command.

mod arguments;
mod config;
mod control;
mod cron;
#[cfg(feature = "dashboard")]
mod dashboard;
mod demo;
mod empty;
mod enqueue;
mod ephemeral_redis;
mod exit;
mod failed;
mod format;
mod info;
mod job;
mod job_logs;
mod json;
mod logger;
mod metrics;
mod output;
mod progress;
mod python_rq;
mod redis_options;
mod reports;
mod requeue;
mod retry_options;
mod service_notify;
mod signals;
mod suspend;
#[cfg(feature = "top")]
mod top;
mod value_parsers;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cron::Cron;
use crate::program;
use crate::worker::{Context, Handlers};
use config::{ParseError, ParsedArgs};
use exit::{Exit, Failure};
use redis_options::RedisOptions;

/// Your own binary as the whole command line: `worker` runs your handlers, and `enqueue`, `info`,
/// `requeue` … work as in the stock `rq-rs`.
///
/// ```no_run
/// use rq_rs::{App, Context};
///
/// fn main() -> std::process::ExitCode {
///     App::new()
///         .handler("add", |_: &Context, (a, b): (i64, i64)| Ok(a + b))
///         .main()
/// }
/// ```
#[derive(Default)]
#[must_use = "an App does nothing until main is called"]
pub struct App {
    handlers: Handlers,
    version: Option<&'static str>,
    crons: Vec<Cron>,
}

impl App {
    /// An application without handlers of its own; `worker --exec` adds programs.
    pub fn new() -> Self {
        Self::default()
    }

    /// A handler for `worker`; see [`Worker::handler`](crate::Worker::handler).
    pub fn handler<T, R, F>(mut self, name: impl Into<String>, function: F) -> Self
    where
        T: DeserializeOwned,
        R: Serialize,
        F: Fn(&Context, T) -> anyhow::Result<R> + Send + Sync + 'static,
    {
        self.handlers.add_function(name.into(), function);
        self
    }

    /// An entry whose jobs `worker` enqueues when they are due; see [`Worker::cron`](crate::Worker::cron).
    pub fn cron(mut self, entry: Cron) -> Self {
        self.crons.push(entry);
        self
    }

    /// What `--version` says, as in `env!("CARGO_PKG_VERSION")`. Default: this crate's version.
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// Reads the arguments of this process, does what they say, and returns the exit code:
    /// 0 done as asked, 1 failed, 2 usage, 3 Redis stayed away too long, 4 stopped with jobs put back,
    /// 129 ended by a hangup.
    pub fn main(mut self) -> ExitCode {
        self.handlers = self.handlers.serve_if_horse();
        let arguments: Vec<_> = std::env::args_os().collect();
        // Before anything is read that can be read once only: this may start the program anew.
        if let Some(error) = redis_options::hide_password(&arguments) {
            output::eprint(format_args!(
                "warning: the password stays visible in the list of processes: {error}"
            ));
        }
        let name = arguments.first().map(std::path::Path::new).and_then(|path| path.file_stem());
        let name = name.map_or_else(|| "rq-rs".to_owned(), |name| name.to_string_lossy().into_owned());
        program::set_name(&name);
        let version = self.version.unwrap_or(env!("CARGO_PKG_VERSION"));
        let whole = with_program_name(Cli::build_command().name(name.clone()).version(version), &name);
        let mut command = config::with_environment(whole);
        let asked = config::parse(&mut command, &arguments).and_then(|asked| {
            let typed = Cli::from_arg_matches(&asked.matches)?;
            Ok((typed, asked))
        });
        let (typed, asked) = match asked {
            Ok(both) => both,
            // Help and version are no errors; clap knows which stream and code they get.
            Err(ParseError::Clap(error)) => match python_rq::explain(error, &command, &arguments) {
                Ok(error) => {
                    let _ = error.print();
                    return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
                }
                Err(failure) => {
                    output::print_error(&failure);
                    return failure.exit().into();
                }
            },
            Err(ParseError::File(failure)) => {
                output::print_error(&failure);
                return failure.exit().into();
            }
        };
        match self.run(typed, command, asked) {
            Ok(exit) => exit.into(),
            Err(failure) => {
                output::print_error(&failure);
                failure.exit().into()
            }
        }
    }

    fn run(self, typed: Cli, mut command: clap::Command, asked: ParsedArgs) -> Result<Exit, Failure> {
        let server = &typed.server;
        // `config show` counts them.
        if !matches!(typed.command, CliCommand::Config(_) | CliCommand::Completions { .. }) {
            config::warn_unknown_variables(&command);
        }
        match typed.command {
            CliCommand::Worker(worker) => {
                let (handlers, crons) = asked.valid_entries(worker.cron_lenient())?;
                // A worker runs for long, and has no more use for them.
                drop((command, asked));
                worker.run(server, (self.handlers, handlers), self.crons.into_iter().chain(crons).collect())
            }
            #[cfg(feature = "dashboard")]
            CliCommand::Dashboard(command) => command.run(server),
            #[cfg(feature = "top")]
            CliCommand::Top(command) => command.run(server),
            CliCommand::Metrics(command) => command.run(server),
            CliCommand::Config(config) => config.run(&mut command, &asked, &self.handlers),
            CliCommand::Cron(command) => command.run(server, &asked),
            CliCommand::Enqueue(command) => command.run(server),
            CliCommand::Info(command) => command.run(server),
            CliCommand::Job { command } => command.run(server),
            CliCommand::Failed(command) => command.run(server),
            CliCommand::Requeue(command) => command.run(server),
            CliCommand::Empty(command) => command.run(server),
            CliCommand::Suspend(command) => command.run(server),
            CliCommand::Resume(command) => command.run(server),
            CliCommand::Shutdown(names) => names.shutdown(server),
            CliCommand::Quiet(names) => names.quiet(server),
            CliCommand::Continue(names) => names.resume(server),
            CliCommand::KillHorse(names) => names.kill_horse(server),
            CliCommand::Demo(command) => command.run(server),
            CliCommand::Completions { shell } => {
                let mut text = Vec::new();
                clap_complete::generate(shell, &mut Cli::build_command(), program::name(), &mut text);
                output::print_lines(String::from_utf8_lossy(&text).trim_end().lines())?;
                Ok(Exit::Done)
            }
        }
    }
}

/// Help names the program as it was started.
fn with_program_name(command: clap::Command, name: &str) -> clap::Command {
    if name == "rq-rs" {
        return command;
    }
    // Its own name stands there only where somebody is told what to type.
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

/// A lightweight job queue on Redis: Python RQ for Rust
#[derive(Parser)]
#[command(name = "rq-rs", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    server: RedisOptions,
    /// A TOML file with options, handlers and cron entries; see `rq-rs config --help`
    #[arg(long, global = true, env = "RQ_RS_CONFIG", hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: CliCommand,
}

impl Cli {
    /// The command line, in which what a worker's dashboard shows has longer names than that of `dashboard`.
    fn build_command() -> clap::Command {
        #[cfg(feature = "dashboard")]
        let rename = |arg: clap::Arg| match dashboard::ACCESS_OPTIONS.contains(&arg.get_id().as_str()) {
            true => {
                let long = format!("dashboard-{}", arg.get_id());
                arg.long(long)
            }
            false => arg,
        };
        #[cfg(not(feature = "dashboard"))]
        let rename = std::convert::identity::<clap::Arg>;
        python_rq::with_ignored_options(
            Cli::command().mut_subcommand("worker", |worker| worker.mut_args(rename)),
        )
    }
}

#[derive(Subcommand)]
enum CliCommand {
    Worker(Box<worker::WorkerCommand>),
    Enqueue(Box<enqueue::EnqueueCommand>),
    Info(info::InfoCommand),
    /// Look at one job, cancel it, stop it, delete it
    Job {
        #[command(subcommand)]
        command: job::JobCommand,
    },
    Failed(failed::FailedCommand),
    Requeue(requeue::RequeueCommand),
    Empty(empty::EmptyCommand),
    Suspend(suspend::SuspendCommand),
    Resume(suspend::ResumeCommand),
    /// Tell workers, rq-rs' or Python's, to end when what they run has ended
    Shutdown(control::WorkerNames),
    /// Tell workers to start no more jobs until they are told to continue; those that run end
    Quiet(control::WorkerNames),
    /// Let workers go on that were told to be quiet
    Continue(control::WorkerNames),
    /// Tell workers to kill what they run; those jobs fail, or are tried again
    KillHorse(control::WorkerNames),
    Cron(cron::CronCommand),
    Config(config::ConfigCommand),
    Metrics(metrics::MetricsCommand),
    #[cfg(feature = "dashboard")]
    Dashboard(dashboard::DashboardCommand),
    #[cfg(feature = "top")]
    Top(top::TopCommand),
    Demo(demo::DemoCommand),
    /// Print a completion script, as in: rq-rs completions bash > /etc/bash_completion.d/rq-rs
    Completions {
        /// For which shell
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_options_of_all_commands_fit_together() {
        super::Cli::build_command().debug_assert();
    }
}
