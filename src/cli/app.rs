//! [`App`]: a whole command line as one value of the library.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::FromArgMatches;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command_line::{Cli, CliCommand, with_program_name};
use super::config::environment::with_environment;
use super::config::parse_error::ParseError;
use super::config::parsed_args::{self, ParsedArgs};
use super::config::unknown_names::warn_unknown_variables;
use super::exit::{Exit, Failure};
use super::output::{print_error, print_lines, warn};
use super::process_url::hide_password;
use super::python_rq;
use crate::cron::Cron;
use crate::program;
use crate::worker::{Context, Handlers};

/// The command line of `rq-rs` in your own binary: `worker` runs your handlers, and `enqueue`, `info`, `requeue` and
/// all other commands work as in the stock `rq-rs`.
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
    /// Creates an application without handlers. `worker --exec` can still add programs as handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler for `worker`; see [`Worker::handler`](crate::Worker::handler).
    pub fn handler<T, R, F>(mut self, name: impl Into<String>, function: F) -> Self
    where
        T: DeserializeOwned,
        R: Serialize,
        F: Fn(&Context, T) -> anyhow::Result<R> + Send + Sync + 'static,
    {
        self.handlers.add_function(name.into(), function);
        self
    }

    /// Adds a cron entry, whose jobs `worker` enqueues when they are due; see [`Worker::cron`](crate::Worker::cron).
    pub fn cron(mut self, entry: Cron) -> Self {
        self.crons.push(entry);
        self
    }

    /// Sets the version that `--version` prints, usually `env!("CARGO_PKG_VERSION")`. Default: this crate's version.
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// Parses the arguments of this process, runs the command, and returns the exit code: 0 for success, 1 for a
    /// failure, 2 for a wrong command line, 3 if Redis stayed away longer than `--broker-max-retries` allows, 4 if the
    /// worker returned unfinished jobs to their queues, 129 if a hangup ended it.
    pub fn main(mut self) -> ExitCode {
        self.handlers = self.handlers.serve_if_horse();
        let arguments: Vec<_> = std::env::args_os().collect();
        // This may replace the process, so nothing that can be read only once has been read before.
        if let Some(error) = hide_password(&arguments) {
            warn(format_args!("the password stays visible in the list of processes: {error}"));
        }
        self.execute(&arguments).unwrap_or_else(|failure| {
            print_error(&failure);
            failure.exit().into()
        })
    }

    fn execute(self, arguments: &[OsString]) -> Result<ExitCode, Failure> {
        let name = arguments.first().map(Path::new).and_then(Path::file_stem);
        let name = name.map_or_else(|| "rq-rs".to_owned(), |name| name.to_string_lossy().into_owned());
        program::set_name(&name);
        let version = self.version.unwrap_or(env!("CARGO_PKG_VERSION"));
        let command = with_program_name(Cli::build_command().name(name.clone()).version(version), &name);
        let mut command = with_environment(command);
        let parsed = parsed_args::parse(&mut command, arguments).and_then(|parsed| {
            let cli = Cli::from_arg_matches(&parsed.matches)?;
            Ok((cli, parsed))
        });
        match parsed {
            Ok((cli, parsed)) => Ok(self.run(cli, command, parsed)?.into()),
            Err(ParseError::Config(failure)) => Err(failure),
            // Help and the version arrive as errors too; clap knows their stream and exit code.
            Err(ParseError::Clap(error)) => {
                let error = python_rq::explain(error, &command, arguments)?;
                let _ = error.print();
                Ok(if error.use_stderr() { Exit::Usage } else { Exit::Done }.into())
            }
        }
    }

    fn run(self, cli: Cli, mut command: clap::Command, parsed: ParsedArgs) -> Result<Exit, Failure> {
        let redis = &cli.redis;
        // `config show` warns itself: the number decides its exit code.
        if !matches!(cli.command, CliCommand::Config(_) | CliCommand::Completions { .. }) {
            warn_unknown_variables(&command);
        }
        match cli.command {
            CliCommand::Worker(worker) => {
                let (handlers, crons) = parsed.valid_entries(worker.cron_lenient())?;
                // A worker runs for long, and does not need the parsed options any more.
                drop((command, parsed));
                worker.run(redis, (self.handlers, handlers), self.crons.into_iter().chain(crons).collect())
            }
            #[cfg(feature = "dashboard")]
            CliCommand::Dashboard(command) => command.run(redis),
            #[cfg(feature = "top")]
            CliCommand::Top(command) => command.run(redis),
            CliCommand::Metrics(command) => command.run(redis),
            CliCommand::Config(config) => config.run(&mut command, &parsed, &self.handlers),
            CliCommand::Cron(command) => command.run(redis, &parsed),
            CliCommand::Enqueue(command) => command.run(redis),
            CliCommand::Info(command) => command.run(redis),
            CliCommand::Job { command } => command.run(redis),
            CliCommand::Failed(command) => command.run(redis),
            CliCommand::Requeue(command) => command.run(redis),
            CliCommand::Empty(command) => command.run(redis),
            CliCommand::Suspend(command) => command.run(redis),
            CliCommand::Resume(command) => command.run(redis),
            CliCommand::Shutdown(names) => names.shutdown(redis),
            CliCommand::Quiet(names) => names.quiet(redis),
            CliCommand::Continue(names) => names.resume(redis),
            CliCommand::KillHorse(names) => names.kill_horse(redis),
            CliCommand::Demo(command) => command.run(redis),
            CliCommand::Completions { shell } => {
                let mut text = Vec::new();
                clap_complete::generate(shell, &mut Cli::build_command(), program::name(), &mut text);
                print_lines(String::from_utf8_lossy(&text).trim_end().lines())?;
                Ok(Exit::Done)
            }
        }
    }
}
