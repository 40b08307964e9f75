//! Commands and options of Python RQ that rq-rs does not have. Some are accepted and ignored, because nothing is lost
//! without them; the error about any other names the replacement. `docs/from-python-rq.md` has the same table.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::config::parse_error::{error_summary, text_of};
use super::exit::Failure;

/// The treatment of an option of Python RQ.
#[derive(Clone, Copy)]
enum Handling {
    /// The option is accepted without effect, for this reason.
    Ignored(&'static str),
    /// The option is an error with this hint.
    Rejected(&'static str),
}
use Handling::{Ignored, Rejected};

/// A command or an option of Python RQ.
struct RqOption {
    /// The commands that have the option; empty if this is a command itself.
    commands: &'static [&'static str],
    spellings: &'static [&'static str],
    has_value: bool,
    handling: Handling,
}

const fn option(
    commands: &'static [&'static str],
    spellings: &'static [&'static str],
    has_value: bool,
    handling: Handling,
) -> RqOption {
    RqOption { commands, spellings, has_value, handling }
}

const WORKER: &[&str] = &["worker"];
const ENQUEUE: &[&str] = &["enqueue"];
const ALL: &[&str] = &["worker", "enqueue", "info", "requeue", "empty", "suspend", "resume", "cron"];
const BUT_WORKER: &[&str] = &["enqueue", "info", "requeue", "empty", "suspend", "resume", "cron"];
const BUT_ENQUEUE: &[&str] = &["worker", "info", "requeue", "empty", "suspend", "resume", "cron"];

const TABLE: [RqOption; 20] = [
    option(
        &[],
        &["worker-pool"],
        false,
        Rejected(
            "`worker -c N --isolate` runs N jobs at once, each in a process of its own, as programs of --exec are anyway",
        ),
    ),
    option(WORKER, &["--with-scheduler", "-s"], false, Ignored("every worker moves what is due")),
    option(
        WORKER,
        &["--job-monitoring-interval"],
        true,
        Ignored("a worker keeps the leases of its jobs by itself"),
    ),
    option(
        BUT_ENQUEUE,
        &["--serializer", "-S"],
        true,
        Ignored("a job is read, and its result is written, in the format it came in"),
    ),
    option(BUT_WORKER, &["--path", "-P"], true, Ignored("no Python is imported")),
    option(
        BUT_WORKER,
        &["--worker-class", "-w", "--job-class", "-j", "--queue-class", "--connection-class"],
        true,
        Ignored("no Python class is needed for that"),
    ),
    option(
        ALL,
        &["--config MODULE", "-c"],
        true,
        Rejected("--config FILE is a TOML file, and a worker's -c is --concurrency; see `config --help`"),
    ),
    option(
        WORKER,
        &["--logging_level", "--logging-level", "-l"],
        true,
        Rejected("-v shows more, -q warnings only"),
    ),
    option(
        &["cron"],
        &["--logging_level", "--logging-level", "-l"],
        true,
        Rejected("leave it out: it says what it enqueues, and what is wrong"),
    ),
    option(
        WORKER,
        &["--log-format", "--date-format"],
        true,
        Rejected("leave it out: a line of the log is a clock and a text, on standard error"),
    ),
    option(
        WORKER,
        &["--disable-job-desc-logging"],
        false,
        Rejected("-q shows warnings only, which do not hold descriptions of jobs"),
    ),
    option(WORKER, &["--maintenance-interval"], true, Rejected("--recover-interval DURATION")),
    option(
        WORKER,
        &["--exception-handler"],
        true,
        Rejected(
            "leave it out: `failed` shows what failed and why; a program of your own gets the event with Worker::on_event",
        ),
    ),
    option(
        WORKER,
        &["--disable-default-exception-handler", "-d"],
        false,
        Rejected("leave it out: failed jobs are kept; --keep-failed says how many, and for how long"),
    ),
    option(
        WORKER,
        &["--dequeue-strategy", "-ds"],
        true,
        Rejected("leave it out: jobs are taken from the queues in the order in which these are named"),
    ),
    option(
        WORKER,
        &["--path", "-P"],
        true,
        Rejected("PYTHONPATH in the environment, for a Python program of --exec-server"),
    ),
    option(
        WORKER,
        &["--worker-class", "-w", "--job-class", "-j", "--queue-class", "--connection-class"],
        true,
        Rejected(
            "leave it out: no Python classes are loaded; with --isolate jobs run in processes of their own",
        ),
    ),
    option(
        ENQUEUE,
        &["--depends-on"],
        true,
        Rejected("jobs that wait for others are enqueued with Python: queue.enqueue(…, depends_on=…)"),
    ),
    option(ENQUEUE, &["--id"], true, Rejected("--job-id ID")),
    option(
        ENQUEUE,
        &[LITERAL],
        false,
        Rejected(r#"give JSON instead: :JSON or key:=JSON; text that begins with % is :'"%text"'"#),
    ),
];

const LITERAL: &str = "%literal";

/// Returns the hint about Python literals among the arguments of `enqueue`.
pub(crate) fn literal_hint() -> &'static str {
    let literal = TABLE.iter().find(|option| option.spellings.contains(&LITERAL));
    literal.map_or("", |option| match option.handling {
        Ignored(text) | Rejected(text) => text,
    })
}

/// Adds the ignored options to the commands, without help.
pub(crate) fn with_ignored_options(mut command: Command) -> Command {
    for (n, option) in TABLE.iter().enumerate().filter(|(_, option)| matches!(option.handling, Ignored(_))) {
        let action = if option.has_value { ArgAction::Append } else { ArgAction::Count };
        let mut arg = Arg::new(format!("of Python RQ {n}")).hide(true).action(action);
        for word in option.spellings {
            let letter = word.trim_start_matches('-').chars().next().unwrap_or_default();
            arg = match word.strip_prefix("--") {
                Some(long) if arg.get_long().is_none() => arg.long(long),
                Some(long) => arg.alias(long),
                None if arg.get_short().is_none() => arg.short(letter),
                None => arg.short_alias(letter),
            };
        }
        for name in option.commands {
            command = command.mut_subcommand(name, |command| command.arg(&arg));
        }
    }
    command
}

/// Replaces an error about a command or option of Python RQ by our own. From other errors clap's tip is removed to
/// pass an option as a value: it would start a worker on a queue named `--logging_level`.
pub(crate) fn explain(
    mut error: clap::Error,
    command: &Command,
    arguments: &[OsString],
) -> Result<clap::Error, Failure> {
    if let Some(failure) = rejected_option(&error, command, arguments) {
        return Err(failure);
    }
    if let Some(ContextValue::StyledStrs(tips)) = error.remove(ContextKind::Suggested) {
        let is_safe = |tip: &clap::builder::StyledStr| !tip.to_string().contains("as a value");
        let tips: Vec<_> = tips.into_iter().filter(is_safe).collect();
        if !tips.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
    Ok(error)
}

fn rejected_option(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Option<Failure> {
    let (of, typed) = wrong_word(error, command, arguments)?;
    let is_candidate = |option: &&RqOption| match &of {
        Some(name) => option.commands.contains(&name.as_str()),
        None => option.commands.is_empty(),
    };
    let find = |word: &str| TABLE.iter().filter(is_candidate).find(|option| option.spellings.contains(&word));
    // After a short option its value may follow without a space.
    let option = find(&typed).or_else(|| find(typed.get(..2).filter(|_| !typed.starts_with("--"))?))?;
    match option.handling {
        Rejected(hint) => Some(Failure::Usage(error_summary(error), hint.to_owned())),
        Ignored(_) => None,
    }
}

/// Returns the word that clap refuses, and the command to which it is an option, if it is one.
fn wrong_word(
    error: &clap::Error,
    command: &Command,
    arguments: &[OsString],
) -> Option<(Option<String>, String)> {
    let words: Vec<String> =
        arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let mut words = words.into_iter().take_while(|word| word != "--");
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            Some((None, text_of(error, ContextKind::InvalidSubcommand)?.to_owned()))
        }
        ErrorKind::UnknownArgument => {
            let unknown = text_of(error, ContextKind::InvalidArg)?;
            let words: Vec<String> = words.collect();
            let name = words.iter().find(|word| command.find_subcommand(word).is_some())?;
            let typed = words.iter().find(|word| word.starts_with(unknown));
            let typed = typed.map_or(unknown, |typed| typed.split('=').next().unwrap_or(typed));
            Some((Some(name.clone()), typed.to_owned()))
        }
        // RQ's `worker -c settings`, where our -c is the concurrency.
        ErrorKind::ValueValidation
            if text_of(error, ContextKind::InvalidArg)?.starts_with("--concurrency") =>
        {
            let value = text_of(error, ContextKind::InvalidValue)?;
            value.starts_with(|c: char| c.is_alphabetic()).then_some(())?;
            Some((words.find(|word| word == "worker"), "-c".to_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, BUT_ENQUEUE, BUT_WORKER, Ignored, Rejected, RqOption, TABLE};
    use crate::cli::command_line::Cli;

    fn commands(option: &RqOption) -> String {
        match option.commands {
            [] => "a command".to_owned(),
            of if of == ALL => "all".to_owned(),
            of if of == BUT_WORKER => "all but `worker`".to_owned(),
            of if of == BUT_ENQUEUE => "all but `enqueue`".to_owned(),
            of => of.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        }
    }

    #[test]
    fn the_documentation_shows_this_table() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/from-python-rq.md");
        let docs = std::fs::read_to_string(docs).unwrap_or_default();
        let mut missing = Vec::new();
        for option in &TABLE {
            let words: Vec<_> = option.spellings.iter().map(|word| format!("`{word}`")).collect();
            let treatment = match option.handling {
                Ignored(why) => format!("taken, and not needed: {why}"),
                Rejected(what) => what.to_owned(),
            };
            let line = format!("| {} | {} | {treatment} |", words.join(", "), commands(option));
            if !docs.contains(&line) {
                missing.push(line);
            }
        }
        assert!(missing.is_empty(), "docs/from-python-rq.md lacks:\n{}", missing.join("\n"));
    }

    #[test]
    fn every_command_accepts_the_options_that_it_ignores() {
        for option in TABLE.iter().filter(|option| matches!(option.handling, Ignored(_))) {
            for (name, word) in
                option.commands.iter().flat_map(|name| option.spellings.iter().map(move |word| (name, word)))
            {
                let mut words = vec!["rq-rs", name, word];
                words.extend(option.has_value.then_some("json"));
                words.extend(["enqueue", "requeue", "empty", "cron"].contains(name).then_some("x"));
                let parsed = Cli::build_command().try_get_matches_from(&words);
                assert!(
                    parsed.is_ok(),
                    "{words:?}: {}",
                    parsed.err().map(|error| error.to_string()).unwrap_or_default()
                );
            }
        }
    }
}
