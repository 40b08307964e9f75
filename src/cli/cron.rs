//! `rq-rs cron FILE`, which schedules entries, and `rq-rs cron list|history|run|pause|resume`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use clap::{Args, Subcommand};

use super::config::parsed_args::ParsedArgs;
use super::exit::{Exit, Failure};
use super::format::{clock_time_with_zone, shell_quote, table};
use super::logger::start_logger;
use super::output::{eprint, print, print_json, print_lines, warn};
use super::redis_options::RedisOptions;
use super::reports::{report_more, report_wrong_types};
use super::signals::on_stop_signal;
use super::value_parsers::parse_limit;
use crate::client::Client;
use crate::cron::find::find_entry;
use crate::cron::view::{self, CronList, CronView};
use crate::cron::{enqueue_now, pause as pauses};
use crate::error::Error;
use crate::printable::first_line;
use crate::program::help_hint;
use crate::snapshot::{self, CronRun};
use crate::worker::cron_loop::{CronEntries, CronLoop};
use crate::wrong_type::WrongTypeKeys;

/// Number of jobs that a table shows by default.
const DEFAULT_LIMIT: usize = 20;

/// Schedule the cron entries of a file, as workers do, or show and control the scheduled entries
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct CronCommand {
    /// A TOML file with [[cron]] entries, which are scheduled without running jobs; see `rq-rs config --help`
    file: Option<PathBuf>,
    /// Go on without entries that are invalid, or whose time zone this machine does not know
    #[arg(long, requires = "file")]
    cron_lenient: bool,
    #[command(subcommand)]
    command: Option<CronAction>,
}

#[derive(Subcommand)]
enum CronAction {
    /// Show the entries that workers have now, Python's too
    List {
        /// Print JSON: a list of entries
        #[arg(long)]
        json: bool,
    },
    /// Show the jobs of an entry, the newest first
    History {
        /// The entry
        name: String,
        /// Number of jobs to show [default: 20; with --json all]
        #[arg(long, value_name = "N", value_parser = parse_limit)]
        limit: Option<usize>,
        /// Print JSON: a list of jobs
        #[arg(long)]
        json: bool,
    },
    /// Enqueue a job of an entry now, and print its id
    Run {
        /// The entry
        name: String,
    },
    /// Let the ticks of an entry pass without a job, in all workers, until it is resumed
    Pause {
        /// The entry
        name: String,
    },
    /// Let an entry go on with its next tick
    Resume {
        /// The entry
        name: String,
    },
}

impl CronCommand {
    pub(crate) fn run(self, redis: &RedisOptions, parsed: &ParsedArgs) -> Result<Exit, Failure> {
        match (self.file, self.command) {
            (Some(file), _) => run_scheduler(redis, &file, self.cron_lenient, parsed),
            (None, Some(CronAction::List { json })) => list(&redis.connect()?, json),
            (None, Some(CronAction::History { name, limit, json })) => {
                history(&redis.connect()?, &name, limit, json)
            }
            (None, Some(CronAction::Run { name })) => {
                let client = redis.connect()?;
                let entry = find_entry(&client, &name, client.server_time()?).map_err(not_found)?;
                print(enqueue_now(&client, entry.cron().map_err(not_found)?)?)?;
                Ok(Exit::Done)
            }
            (None, Some(CronAction::Pause { name })) => set_paused(&redis.connect()?, &name, true),
            (None, Some(CronAction::Resume { name })) => set_paused(&redis.connect()?, &name, false),
            // clap's `arg_required_else_help` has no effect if a variable sets an option.
            (None, None) => Err(Failure::Usage(
                "cron needs a file of entries, or one of list, history, run, pause, resume".into(),
                help_hint("cron"),
            )),
        }
    }
}

/// Enqueues the jobs of the entries when they are due, without running them, like RQ's `cron`.
fn run_scheduler(
    redis: &RedisOptions,
    file: &Path,
    is_lenient: bool,
    parsed: &ParsedArgs,
) -> Result<Exit, Failure> {
    start_logger(false, false);
    let is_lenient = is_lenient || parsed.is_cron_lenient()?;
    let (_, entries) = parsed.valid_entries(is_lenient)?;
    let client = redis.connect()?;
    let entries = CronEntries { entries, is_lenient };
    let Some(cron_loop) = CronLoop::standalone(&client, &file.display().to_string(), entries)? else {
        let what = format!("{} has no valid cron entry", file.display());
        return Err(Failure::Usage(what, "write each as [[cron]] with name, schedule and handler".into()));
    };
    let (stop, stopped) = channel::<()>();
    let stop = Mutex::new(Some(stop));
    let hangup = on_stop_signal(move |_| {
        // After the first signal the scheduler ends in order, however long Redis takes; a second one ends the process.
        if stop.lock().map_or(None, |mut stop| stop.take()).is_none() {
            std::process::exit(Exit::Failed as i32);
        }
    })?;
    let (name, entries) = cron_loop.describe();
    eprint(format_args!("{name} (pid {}) schedules {entries} cron entries", std::process::id()));
    cron_loop.run(&stopped);
    Ok(hangup.exit_or(Exit::Done))
}

fn list(client: &Arc<Client>, is_json: bool) -> Result<Exit, Failure> {
    let CronList { entries, wrong_type_keys, is_cut } = view::list_entries(client, client.server_time()?)?;
    if is_json {
        print_json(&entries)?;
        return Ok(report_incomplete(&wrong_type_keys, is_cut));
    }
    if entries.is_empty() {
        print("No worker has cron entries now.")?;
        return Ok(report_incomplete(&wrong_type_keys, is_cut));
    }
    let row = |entry: &CronView| {
        let next = if entry.paused { "paused".to_owned() } else { clock_time_with_zone(entry.next) };
        let zone = match (entry.tz.as_deref(), entry.zone.as_deref()) {
            (Some(tz), Some(zone)) => format!("{zone} ({tz})"),
            (tz, _) => tz.unwrap_or("Python's local").to_owned(),
        };
        vec![
            first_line(&entry.name, 40),
            entry.schedule.clone(),
            zone,
            entry.queue.clone(),
            first_line(&entry.handler, 40),
            next,
            clock_time_with_zone(entry.last),
            entry.schedulers.to_string(),
        ]
    };
    let heading = ["name", "schedule", "zone", "queue", "handler", "next", "last", ">kept by"];
    print_lines(table(&heading, entries.iter().map(row).collect()))?;
    Ok(report_incomplete(&wrong_type_keys, is_cut))
}

/// Warns if the list is incomplete. Returns the exit code: a failure if it is.
fn report_incomplete(wrong_type_keys: &WrongTypeKeys, is_cut: bool) -> Exit {
    let exit = report_wrong_types(wrong_type_keys);
    if !is_cut {
        return exit;
    }
    warn("some entries are not shown: there are too many, or they are too large");
    Exit::Failed
}

fn history(client: &Arc<Client>, name: &str, limit: Option<usize>, is_json: bool) -> Result<Exit, Failure> {
    let (limit, mut wrong_type_keys) =
        (limit.unwrap_or(if is_json { usize::MAX } else { DEFAULT_LIMIT }), WrongTypeKeys::default());
    let (all, total) = snapshot::fetch_cron_history(client, name, limit, &mut wrong_type_keys)?;
    if is_json {
        print_json(&all)?;
    } else if all.is_empty() && wrong_type_keys.is_empty() {
        // An entry without jobs exists if it has not been due yet.
        find_entry(client, name, client.server_time()?).map_err(not_found)?;
        print("No jobs yet.")?;
    } else {
        let took = |run: &CronRun| {
            let took = run.ended_at.zip(run.started_at).and_then(|(end, start)| (end - start).to_std().ok());
            took.map_or_else(|| "–".to_owned(), |took| format!("{took:.1?}"))
        };
        let row = |run: &CronRun| {
            let status = run.status.map_or_else(|| "expired".to_owned(), |status| status.to_string());
            vec![clock_time_with_zone(Some(run.at)), run.id.clone(), status, took(run)]
        };
        print_lines(table(&["enqueued", "id", "status", ">took"], all.iter().map(row).collect()))?;
    }
    report_more(total - all.len(), &format!("cron history {} --limit {total}", shell_quote(name)), "all");
    Ok(report_wrong_types(&wrong_type_keys))
}

fn set_paused(client: &Arc<Client>, name: &str, is_paused: bool) -> Result<Exit, Failure> {
    let now = client.server_time()?;
    let done = match is_paused {
        true => pauses::pause(client, name, now).map(|()| "paused"),
        false => pauses::resume(client, name, now).map(|()| "goes on with its next tick"),
    };
    eprint(format_args!("{name}: {}", done.map_err(not_found)?));
    Ok(Exit::Done)
}

/// Converts the error about an unknown entry: like an unknown job it is a failure, not a wrong command line.
fn not_found(error: Error) -> Failure {
    match error {
        Error::Invalid { what, hint } => Failure::Other(what, hint),
        error => error.into(),
    }
}
