//! `rq-rs config show`: the options in force, and their sources.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, Subcommand};
use serde::Serialize;

use super::option_names::{WORKER, option_name};
use super::parse_error::{ParseError, error_summary};
use super::parsed_args::ParsedArgs;
use super::section::Section;
use super::unknown_names::{check_handlers, warn_unknown_variables};
use crate::cli::exit::{Exit, Failure};
use crate::cli::format::table;
use crate::cli::output::{print_json, print_lines, warn};
use crate::cli::process_url::url_was_typed;
use crate::cli::redis_url::RedisUrl;
use crate::program::help_hint;
use crate::redis::Address;
use crate::worker::Handlers;

/// Describe the file of --config, and show the options in force
#[derive(Args)]
#[command(after_help = FILE_HELP)]
pub(crate) struct ConfigCommand {
    #[command(subcommand)]
    command: ConfigAction,
}

#[derive(Subcommand)]
enum ConfigAction {
    /// Show every option of `worker`, its value and where it comes from
    Show {
        /// Print JSON: a list of {option, value, from}
        #[arg(long)]
        json: bool,
    },
}

const FILE_HELP: &str = r#"The file, all of it optional:

  url = "redis://127.0.0.1:6379"       # url, dialect, prefix: for every command

  [worker]                             # options of `rq-rs worker`, by their names
  queues = ["high", "default"]
  concurrency = 8
  retry-max = 3

  [handlers.resize]                    # the program, as in --exec or --exec-server, and defaults of its jobs
  exec = "./resize.sh --fast"
  timeout = "5m"
  retry-max = 5
  retry-interval = ["10s", "1m"]
  concurrency = 2                      # of the worker's slots

  [[cron]]                             # needs name, schedule, handler
  name = "nightly report"
  schedule = "30 3 * * mon-fri"        # five fields, @daily …, or "every 90s"
  tz = "Europe/Berlin"                 # default: UTC; "local" is this machine's
  handler = "report"
  args = ["all"]
  kwargs = { dry_run = false }
  queue = "low"
  catchup = "none"                     # none, one, all: for ticks while no scheduler ran
  overlap = "skip"                     # skip, queue: while its last job is not done
  jitter = "30s"
  # and timeout, ttl, result-ttl, failure-ttl, retry-max, retry-interval, meta, description, at-front

The command line goes before the environment (RQ_RS_CONCURRENCY, RQ_RS_MAX_JOBS …), and that before the file.

Every command warns of an unknown variable (RQ_RS_GRACEE), and a worker of a [handlers.TYPO] that nothing runs;
`rq-rs config show` ends with 1 in both cases."#;

#[derive(Serialize)]
struct OptionRow {
    option: String,
    value: Option<String>,
    from: String,
}

impl ConfigCommand {
    pub(crate) fn run(
        self,
        command: &mut Command,
        parsed: &ParsedArgs,
        handlers: &Handlers,
    ) -> Result<Exit, Failure> {
        let ConfigAction::Show { json } = self.command;
        let (rows, programs) = option_rows(command, parsed)?;
        let (of_file, _, invalid) = parsed.entries()?;
        let programs: Vec<&str> = programs.iter().map(String::as_str).collect();
        let warnings = check_handlers(&of_file, handlers, &programs);
        warnings.iter().for_each(warn);
        let problems = invalid + warnings.len() + warn_unknown_variables(command);
        let exit = if problems > 0 { Exit::Failed } else { Exit::Done };
        if json {
            print_json(&rows)?;
            return Ok(exit);
        }
        let cells = |row: &OptionRow| {
            vec![row.option.clone(), row.value.clone().unwrap_or("–".into()), row.from.clone()]
        };
        print_lines(table(&["option", "value", "from"], rows.iter().map(cells).collect()))?;
        Ok(exit)
    }
}

/// Returns the options that `worker` would have with the same file and the same global options, and the names of the
/// handlers of its `--exec` and `--exec-server`.
fn option_rows(command: &mut Command, parsed: &ParsedArgs) -> Result<(Vec<OptionRow>, Vec<String>), Failure> {
    let args = worker_args(command, parsed);
    let worker = parsed.reparse(command, &args).map_err(|error| match error {
        ParseError::Config(failure) => failure,
        ParseError::Clap(error) => Failure::Usage(error_summary(&error), help_hint(WORKER)),
    })?;
    let subcommand = command.find_subcommand(WORKER).zip(worker.matches.subcommand_matches(WORKER));
    let of_all = command.get_arguments().map(|arg| (arg, &worker.matches));
    let of_worker =
        subcommand.iter().flat_map(|(command, matches)| command.get_arguments().map(|arg| (arg, *matches)));
    let options = of_all.chain(of_worker.filter(|(arg, _)| !arg.is_global_set()));
    let mut rows: Vec<OptionRow> =
        options.filter_map(|(arg, matches)| option_row(arg, matches, &worker)).collect();
    rows.extend(section_rows(&worker));
    let programs = subcommand.iter().flat_map(|(_, matches)| {
        let all = ["exec", "exec_server"].map(|id| matches.get_many::<String>(id).into_iter().flatten());
        all.into_iter().flatten().filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()))
    });
    let programs = programs.collect();
    Ok((rows, programs))
}

/// Returns the arguments of a `worker` command with the global options that are typed for this command.
fn worker_args(command: &Command, parsed: &ParsedArgs) -> Vec<OsString> {
    let mut args = vec![OsString::from(command.get_name()), OsString::from(WORKER)];
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let is_typed = parsed.matches.value_source(id) == Some(ValueSource::CommandLine);
        if let (true, false, Some(name)) = (is_typed, parsed.file_lines.contains_key(id), option_name(arg)) {
            for value in parsed.matches.get_raw(id).into_iter().flatten() {
                let mut typed = OsString::from(format!("--{name}="));
                typed.push(value);
                args.push(typed);
            }
        }
    }
    args
}

fn option_row(arg: &Arg, matches: &ArgMatches, worker: &ParsedArgs) -> Option<OptionRow> {
    let (id, name) = (arg.get_id().as_str(), option_name(arg)?);
    let value = matches
        .get_raw(id)
        .map(|values| values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(" "));
    let from = match (matches.value_source(id), worker.file_lines.get(id)) {
        (_, Some(line)) => location(worker, *line),
        (Some(ValueSource::CommandLine), _) => "command line".to_owned(),
        (Some(ValueSource::EnvVariable), _) => {
            arg.get_env().unwrap_or_default().to_string_lossy().into_owned()
        }
        _ => "default".to_owned(),
    };
    let row = OptionRow { option: name.to_owned(), value, from };
    Some(if name == "url" { with_url_source(row) } else { row })
}

/// Returns the keys of handlers and cron entries, which only the file has.
fn section_rows(parsed: &ParsedArgs) -> Vec<OptionRow> {
    let Some(file) = &parsed.file else { return Vec::new() };
    let root = Section::root(file);
    let mut rows = Vec::new();
    let handlers = root.table("handlers").ok().flatten();
    let handlers =
        handlers.iter().flat_map(|all| all.pairs().iter().map(|(name, item)| all.subsection(name, item)));
    // The entries of the list are told apart by their names.
    let crons = root.tables("cron").unwrap_or_default().into_iter().map(|mut section| {
        let name = section.get("name").and_then(|item| item.texts()?.pop());
        section.name = format!("cron.{}", name.as_deref().unwrap_or("?"));
        section
    });
    for section in handlers.chain(crons) {
        for (key, item) in section.pairs() {
            let option = format!("{}.{key}", section.name);
            let value = item.texts().map_or_else(
                || item.json().map_or_else(|what| what, |json| json.to_string()),
                |texts| texts.join(" "),
            );
            rows.push(OptionRow { option, value: Some(value), from: location(parsed, item.line) });
        }
    }
    rows
}

fn location(parsed: &ParsedArgs, line: usize) -> String {
    let path = parsed.file.as_ref().map(|file| file.path.display().to_string());
    format!("{}:{line}", path.unwrap_or_default())
}

/// Corrects the row of the URL: the environment counts where no option has it, and a typed URL with a password has
/// moved to the environment.
fn with_url_source(mut row: OptionRow) -> OptionRow {
    if row.value.as_ref().is_some_and(|url| !url.is_empty()) {
        if url_was_typed() {
            row.from = "command line".to_owned();
        }
        row.value = row.value.map(|url| hide_password(&url, &[]));
        return row;
    }
    match RedisUrl::from_environment() {
        Ok(url) => {
            row.value = Some(hide_password(&url.url, &url.parameters()));
            row.from = url.source.to_owned();
        }
        Err(error) => row.value = Some(error.to_string()),
    }
    row
}

/// Replaces the password of a URL. A URL that cannot be parsed is hidden completely: the password may be anywhere.
fn hide_password(url: &str, parameters: &[(&str, &str)]) -> String {
    Address::parse(url, parameters).map_or_else(|_| "***".to_owned(), |address| address.to_string())
}
