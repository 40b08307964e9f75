//! Python RQ's commands, options and words that rq-rs does not have: what is taken in silence because nothing is lost,
//! and what the error says of the others. `docs/from-python-rq.md` shows the same table.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::exit::Failure;

/// What it is here.
#[derive(Clone, Copy)]
enum Handling {
    /// Taken, and not looked at: why that is right.
    Ignored(&'static str),
    /// Refused: what to do instead.
    Rejected(&'static str),
}
use Handling::{Ignored, Rejected};

struct RqOption {
    /// The commands that have it; none for a command.
    of: &'static [&'static str],
    /// Its spellings.
    spellings: &'static [&'static str],
    has_value: bool,
    handling: Handling,
}

const fn option(
    of: &'static [&'static str],
    words: &'static [&'static str],
    has_value: bool,
    here: Handling,
) -> RqOption {
    RqOption { of, spellings: words, has_value, handling: here }
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

/// What is said of Python literals among arguments.
pub(crate) fn literal_hint() -> &'static str {
    let literal = TABLE.iter().find(|one| one.spellings.contains(&LITERAL));
    literal.map_or("", |one| match one.handling {
        Ignored(text) | Rejected(text) => text,
    })
}

/// The same command line, which takes what is not needed.
pub(crate) fn with_ignored_options(mut command: Command) -> Command {
    for (n, one) in TABLE.iter().enumerate().filter(|(_, one)| matches!(one.handling, Ignored(_))) {
        let action = if one.has_value { ArgAction::Append } else { ArgAction::Count };
        let mut arg = Arg::new(format!("of Python RQ {n}")).hide(true).action(action);
        for word in one.spellings {
            let letter = word.trim_start_matches('-').chars().next().unwrap_or_default();
            arg = match word.strip_prefix("--") {
                Some(long) if arg.get_long().is_none() => arg.long(long),
                Some(long) => arg.alias(long),
                None if arg.get_short().is_none() => arg.short(letter),
                None => arg.short_alias(letter),
            };
        }
        for name in one.of {
            command = command.mut_subcommand(name, |command| command.arg(&arg));
        }
    }
    command
}

/// An error of the command line in our words where it is about something of RQ's. It never says that an option could
/// be passed as a value: that starts a worker on a queue named `--logging_level`.
pub(crate) fn explain(
    mut error: clap::Error,
    command: &Command,
    arguments: &[OsString],
) -> Result<clap::Error, Failure> {
    if let Some(failure) = rejected_option(&error, command, arguments) {
        return Err(failure);
    }
    if let Some(ContextValue::StyledStrs(tips)) = error.remove(ContextKind::Suggested) {
        let is_good = |tip: &clap::builder::StyledStr| !tip.to_string().contains("as a value");
        let tips: Vec<_> = tips.into_iter().filter(is_good).collect();
        if !tips.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
    Ok(error)
}

fn rejected_option(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Option<Failure> {
    let words: Vec<String> =
        arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words = words.iter().take_while(|word| **word != "--");
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let first = error.to_string();
    let first = first.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let (of, found) = match error.kind() {
        ErrorKind::InvalidSubcommand => (None, text(ContextKind::InvalidSubcommand)?.to_owned()),
        ErrorKind::UnknownArgument => {
            let of = words.clone().find(|word| command.find_subcommand(word).is_some())?;
            let unknown = text(ContextKind::InvalidArg)?;
            let typed = words.clone().find(|word| word.starts_with(unknown));
            (Some(of), typed.map_or(unknown, |typed| typed.split('=').next().unwrap_or(typed)).to_owned())
        }
        // `-c settings` of a worker.
        ErrorKind::ValueValidation if text(ContextKind::InvalidArg)?.starts_with("--concurrency") => {
            let value = text(ContextKind::InvalidValue)?;
            value.starts_with(|c: char| c.is_alphabetic()).then_some(())?;
            (words.clone().find(|word| *word == "worker"), "-c".to_owned())
        }
        _ => return None,
    };
    let is_of = |one: &&RqOption| match &of {
        Some(of) => one.of.contains(&of.as_str()),
        None => one.of.is_empty(),
    };
    let spelled = |word: &str| TABLE.iter().filter(is_of).find(|one| one.spellings.contains(&word));
    // What stands behind a letter may be its value.
    let one = spelled(&found).or_else(|| spelled(found.get(..2).filter(|_| !found.starts_with("--"))?))?;
    match one.handling {
        Rejected(hint) => Some(Failure::Usage(first, hint.to_owned())),
        Ignored(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, BUT_ENQUEUE, BUT_WORKER, Ignored, Rejected, RqOption, TABLE};
    use crate::cli::command_line::Cli;

    fn commands(one: &RqOption) -> String {
        match one.of {
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
        for one in &TABLE {
            let words: Vec<_> = one.spellings.iter().map(|word| format!("`{word}`")).collect();
            let here = match one.handling {
                Ignored(why) => format!("taken, and not needed: {why}"),
                Rejected(what) => what.to_owned(),
            };
            let line = format!("| {} | {} | {here} |", words.join(", "), commands(one));
            if !docs.contains(&line) {
                missing.push(line);
            }
        }
        assert!(missing.is_empty(), "docs/from-python-rq.md lacks:\n{}", missing.join("\n"));
    }

    #[test]
    fn what_is_not_needed_is_taken_in_every_command_that_has_it() {
        for one in TABLE.iter().filter(|one| matches!(one.handling, Ignored(_))) {
            for (name, word) in
                one.of.iter().flat_map(|name| one.spellings.iter().map(move |word| (name, word)))
            {
                let mut words = vec!["rq-rs", name, word];
                words.extend(one.has_value.then_some("json"));
                words.extend(["enqueue", "requeue", "empty", "cron"].contains(name).then_some("x"));
                let taken = Cli::build_command().try_get_matches_from(&words);
                assert!(
                    taken.is_ok(),
                    "{words:?}: {}",
                    taken.err().map(|error| error.to_string()).unwrap_or_default()
                );
            }
        }
    }
}
