//! Python RQ's commands, options and words that rq-rs does not have: what is taken in silence because nothing is lost,
//! and what the error says of the others. `docs/from-python-rq.md` shows the same table.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::exit::Failure;

/// What it is here.
#[derive(Clone, Copy)]
enum Here {
    /// Taken, and not looked at: why that is right.
    Silence(&'static str),
    /// Refused: what to do instead.
    Instead(&'static str),
}
use Here::{Instead, Silence};

struct Counterpart {
    /// The commands that have it; none for a command.
    of: &'static [&'static str],
    /// Its spellings.
    words: &'static [&'static str],
    has_value: bool,
    here: Here,
}

const fn row(
    of: &'static [&'static str],
    words: &'static [&'static str],
    has_value: bool,
    here: Here,
) -> Counterpart {
    Counterpart { of, words, has_value, here }
}

const WORKER: &[&str] = &["worker"];
const ENQUEUE: &[&str] = &["enqueue"];
const ALL: &[&str] = &["worker", "enqueue", "info", "requeue", "empty", "suspend", "resume", "cron"];
const BUT_WORKER: &[&str] = &["enqueue", "info", "requeue", "empty", "suspend", "resume", "cron"];
const BUT_ENQUEUE: &[&str] = &["worker", "info", "requeue", "empty", "suspend", "resume", "cron"];

const TABLE: [Counterpart; 20] = [
    row(
        &[],
        &["worker-pool"],
        false,
        Instead(
            "`worker -c N --isolate` runs N jobs at once, each in a process of its own, as programs of --exec are anyway",
        ),
    ),
    row(WORKER, &["--with-scheduler", "-s"], false, Silence("every worker moves what is due")),
    row(
        WORKER,
        &["--job-monitoring-interval"],
        true,
        Silence("a worker keeps the leases of its jobs by itself"),
    ),
    row(
        BUT_ENQUEUE,
        &["--serializer", "-S"],
        true,
        Silence("a job is read, and answered, in what it came in"),
    ),
    row(BUT_WORKER, &["--path", "-P"], true, Silence("no Python is imported")),
    row(
        BUT_WORKER,
        &["--worker-class", "-w", "--job-class", "-j", "--queue-class", "--connection-class"],
        true,
        Silence("no Python class is needed for that"),
    ),
    row(
        ALL,
        &["--config MODULE", "-c"],
        true,
        Instead("--config FILE is a TOML file, and a worker's -c is --concurrency; see `config --help`"),
    ),
    row(
        WORKER,
        &["--logging_level", "--logging-level", "-l"],
        true,
        Instead("-v shows more, -q warnings only"),
    ),
    row(
        &["cron"],
        &["--logging_level", "--logging-level", "-l"],
        true,
        Instead("leave it out: it says what it enqueues, and what is wrong"),
    ),
    row(
        WORKER,
        &["--log-format", "--date-format"],
        true,
        Instead("leave it out: a line of the log is a clock and a text, on standard error"),
    ),
    row(
        WORKER,
        &["--disable-job-desc-logging"],
        false,
        Instead("-q shows warnings only, which do not hold descriptions of jobs"),
    ),
    row(WORKER, &["--maintenance-interval"], true, Instead("--recover-interval DURATION")),
    row(
        WORKER,
        &["--exception-handler"],
        true,
        Instead(
            "leave it out: `failed` shows what failed and why; a program of your own hears it with Worker::on_event",
        ),
    ),
    row(
        WORKER,
        &["--disable-default-exception-handler", "-d"],
        false,
        Instead("leave it out: failed jobs are kept; how many, and how long, says --keep-failed"),
    ),
    row(
        WORKER,
        &["--dequeue-strategy", "-ds"],
        true,
        Instead("leave it out: queues are taken from in the order in which they are named"),
    ),
    row(
        WORKER,
        &["--path", "-P"],
        true,
        Instead("PYTHONPATH in the environment, for a Python program of --exec-server"),
    ),
    row(
        WORKER,
        &["--worker-class", "-w", "--job-class", "-j", "--queue-class", "--connection-class"],
        true,
        Instead(
            "leave it out: no Python classes are loaded; with --isolate jobs run in processes of their own",
        ),
    ),
    row(
        ENQUEUE,
        &["--depends-on"],
        true,
        Instead("jobs that wait for others are enqueued with Python: queue.enqueue(…, depends_on=…)"),
    ),
    row(ENQUEUE, &["--id"], true, Instead("--job-id ID")),
    row(
        ENQUEUE,
        &[LITERAL],
        false,
        Instead(r#"give JSON instead: :JSON or key:=JSON; text that begins with % is :'"%text"'"#),
    ),
];

const LITERAL: &str = "%literal";

/// What is said of Python literals among arguments.
pub(crate) fn of_literal() -> &'static str {
    let literal = TABLE.iter().find(|one| one.words.contains(&LITERAL));
    literal.map_or("", |one| match one.here {
        Silence(text) | Instead(text) => text,
    })
}

/// The same command line, which takes what is not needed.
pub(crate) fn with_silent(mut command: Command) -> Command {
    for (n, one) in TABLE.iter().enumerate().filter(|(_, one)| matches!(one.here, Silence(_))) {
        let action = if one.has_value { ArgAction::Append } else { ArgAction::Count };
        let mut arg = Arg::new(format!("of Python RQ {n}")).hide(true).action(action);
        for word in one.words {
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
    if let Some(failure) = counterpart(&error, command, arguments) {
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

fn counterpart(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Option<Failure> {
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
    let is_of = |one: &&Counterpart| match &of {
        Some(of) => one.of.contains(&of.as_str()),
        None => one.of.is_empty(),
    };
    let spelled = |word: &str| TABLE.iter().filter(is_of).find(|one| one.words.contains(&word));
    // What stands behind a letter may be its value.
    let one = spelled(&found).or_else(|| spelled(found.get(..2).filter(|_| !found.starts_with("--"))?))?;
    match one.here {
        Instead(hint) => Some(Failure::Usage(first, hint.to_owned())),
        Silence(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, BUT_ENQUEUE, BUT_WORKER, Counterpart, Instead, Silence, TABLE};
    use crate::cli::Typed;

    fn commands(one: &Counterpart) -> String {
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
            let words: Vec<_> = one.words.iter().map(|word| format!("`{word}`")).collect();
            let here = match one.here {
                Silence(why) => format!("taken, and not needed: {why}"),
                Instead(what) => what.to_owned(),
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
        for one in TABLE.iter().filter(|one| matches!(one.here, Silence(_))) {
            for (name, word) in one.of.iter().flat_map(|name| one.words.iter().map(move |word| (name, word)))
            {
                let mut words = vec!["rq-rs", name, word];
                words.extend(one.has_value.then_some("json"));
                words.extend(["enqueue", "requeue", "empty", "cron"].contains(name).then_some("x"));
                let taken = Typed::whole().try_get_matches_from(&words);
                assert!(
                    taken.is_ok(),
                    "{words:?}: {}",
                    taken.err().map(|error| error.to_string()).unwrap_or_default()
                );
            }
        }
    }
}
