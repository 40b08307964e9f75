//! Where options come from: the command line, then the environment, then the file of `--config`, then defaults.
//! Each has one name in all three.

mod entries;
mod file;
mod show;
mod unknown_names;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::exit::Failure;
use super::output::{self, print_error};
use super::value_parsers::parse_switch;
use crate::cron::Cron;
use crate::program::see_help_of;
pub(crate) use entries::HandlerConfig;
use file::{ConfigFile, Item, Section};
pub(crate) use show::ConfigCommand;
pub(crate) use unknown_names::check_handlers as strange_handlers;

/// The command whose options the section of the same name holds.
const WORKER: &str = "worker";

/// What was asked for, wherever it was said.
pub(crate) struct ParsedArgs {
    pub(crate) matches: ArgMatches,
    file: Option<Rc<ConfigFile>>,
    /// Ids of options that the file has given, and the lines.
    from_file: BTreeMap<String, usize>,
}

/// Why there is nothing to be done.
pub(crate) enum ParseError {
    /// Help, version, or a wrong command line.
    Clap(clap::Error),
    File(Failure),
}

impl From<clap::Error> for ParseError {
    fn from(error: clap::Error) -> Self {
        ParseError::Clap(error)
    }
}

impl From<Failure> for ParseError {
    fn from(failure: Failure) -> Self {
        ParseError::File(failure)
    }
}

/// The environment has each option of a worker too, as in `RQ_RS_MAX_JOBS`. An empty one says nothing.
pub(crate) fn with_environment(command: Command) -> Command {
    command.mut_subcommand(WORKER, |worker| {
        worker.mut_args(|arg| {
            let mut variables = option_names(&arg).into_iter().map(variable_name);
            let Some(variable) = variables.find(|name| unknown_names::is_env_set(name)) else { return arg };
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

fn variable_name(name: &str) -> String {
    format!("RQ_RS_{}", name.to_uppercase().replace('-', "_"))
}

/// Warns of variables that look like options and are none. Says how many there are.
pub(crate) fn warn_unknown_variables(command: &Command) -> usize {
    let strange = unknown_names::check_variables(command);
    strange.iter().for_each(output::warn);
    strange.len()
}

/// Reads the arguments, and the file that they name.
pub(crate) fn parse(command: &mut Command, arguments: &[OsString]) -> Result<ParsedArgs, ParseError> {
    let matches = parse_args(command, arguments)?;
    match file_path(&matches) {
        Some(path) => merge_file(command, arguments, &matches, Rc::new(ConfigFile::read(&path)?)),
        None => Ok(ParsedArgs { matches, file: None, from_file: BTreeMap::new() }),
    }
}

/// An error about a value of the environment names the variable.
fn parse_args(command: &mut Command, arguments: &[OsString]) -> Result<ArgMatches, ParseError> {
    command.try_get_matches_from_mut(arguments).map_err(|error| {
        match blamed_variable(&error, command, arguments) {
            Some(variable) => {
                let what = format!("{variable}: {}", error_summary(&error));
                ParseError::File(Failure::Usage(what, see_help_of(WORKER)))
            }
            None => ParseError::Clap(error),
        }
    })
}

fn blamed_variable(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Option<String> {
    let about = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (about, value) = (about(ContextKind::InvalidArg)?, about(ContextKind::InvalidValue)?);
    let option = about.split([' ', '=']).next()?;
    let all = std::iter::once(command).chain(command.get_subcommands()).flat_map(Command::get_arguments);
    let mut named =
        all.filter(|arg| option.strip_prefix("--").is_some_and(|name| arg.get_long() == Some(name)));
    let arg = named.find(|arg| arg.get_env().is_some())?;
    let variable = arg.get_env()?.to_str()?;
    let short = arg.get_short().map(|letter| format!("-{letter}"));
    let is_typed = arguments.iter().map(|word| word.to_string_lossy()).any(|word| {
        word.starts_with(option) || short.as_ref().is_some_and(|short| word.starts_with(short.as_str()))
    });
    let holds_it = std::env::var(variable).is_ok_and(|held| held.contains(value));
    (holds_it && !is_typed).then(|| variable.to_owned())
}

fn error_summary(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Reads the arguments again, behind them what the file says where they say nothing.
fn merge_file(
    command: &mut Command,
    arguments: &[OsString],
    matches: &ArgMatches,
    file: Rc<ConfigFile>,
) -> Result<ParsedArgs, ParseError> {
    let mut more = Vec::new();
    let root = file.root();
    let sections = ["worker", "handlers", "cron"];
    let globals: Vec<&Arg> = command.get_arguments().filter(|arg| arg.get_id() != "config").collect();
    more.extend(file_options(&root, &globals, &sections, Some(matches))?);
    if let (Some(section), Some(worker)) = (root.table(WORKER)?, command.find_subcommand(WORKER)) {
        let matches = matches.subcommand_matches(WORKER);
        let own: Vec<&Arg> = worker.get_arguments().filter(|arg| !arg.is_global_set()).collect();
        more.extend(file_options(&section, &own, &[], matches)?);
    }
    entries::read_handlers(&file)?;
    let words = more.iter().flat_map(|option| option.args.iter().map(OsString::from));
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    let all = arguments[..end].iter().cloned().chain(words).chain(arguments[end..].iter().cloned());
    let from_file: BTreeMap<String, usize> = more.iter().map(|one| (one.id.clone(), one.line)).collect();
    match command.try_get_matches_from_mut(all) {
        Ok(matches) => Ok(ParsedArgs { matches, file: Some(file), from_file }),
        Err(error) => Err(with_file_location(error, &file, &more)),
    }
}

impl ParsedArgs {
    /// What these arguments would ask for with the same file, which may be a pipe that nobody reads twice.
    fn reparse(&self, command: &mut Command, arguments: &[OsString]) -> Result<ParsedArgs, ParseError> {
        let matches = parse_args(command, arguments)?;
        match &self.file {
            Some(file) => merge_file(command, arguments, &matches, Rc::clone(file)),
            None => Ok(ParsedArgs { matches, file: None, from_file: BTreeMap::new() }),
        }
    }
}

impl ParsedArgs {
    /// The handlers and cron entries of the file, and how many entries are not in order, which are told.
    fn entries(&self) -> Result<(Vec<HandlerConfig>, Vec<Cron>, usize), Failure> {
        let Some(file) = &self.file else { return Ok(Default::default()) };
        let (good, bad) = entries::read_crons(file)?;
        bad.iter().for_each(print_error);
        Ok((entries::read_handlers(file)?, good, bad.len()))
    }

    /// Whether the environment or the file says for workers that entries may be left out.
    pub(crate) fn is_cron_lenient(&self) -> Result<bool, Failure> {
        const OPTION: &str = "cron-lenient";
        let variable = variable_name(OPTION);
        if unknown_names::is_env_set(&variable) {
            let value = std::env::var_os(&variable).unwrap_or_default();
            return parse_switch(&value.to_string_lossy())
                .map_err(|what| Failure::Usage(format!("{variable}: {what}"), see_help_of(WORKER)));
        }
        let section = self.file.as_ref().map(|file| file.root().table(WORKER)).transpose()?.flatten();
        let said = section.map(|section| section.parse_one(OPTION, parse_switch)).transpose()?;
        Ok(said.flatten().unwrap_or(false))
    }

    /// The same, all of them in order, or told and left out if that is allowed.
    pub(crate) fn valid_entries(&self, is_lenient: bool) -> Result<(Vec<HandlerConfig>, Vec<Cron>), Failure> {
        let Some(file) = &self.file else { return Ok(Default::default()) };
        let (good, mut bad) = entries::read_crons(file)?;
        let refusal = (!is_lenient && !bad.is_empty()).then(|| bad.remove(0));
        bad.iter().for_each(print_error);
        refusal.map_or(Ok(()), Err)?;
        Ok((entries::read_handlers(file)?, good))
    }
}

/// The file of `--config`, or that of `cron FILE`, which is one too.
fn file_path(matches: &ArgMatches) -> Option<PathBuf> {
    let of_cron = matches.subcommand_matches("cron").and_then(|cron| cron.get_one::<PathBuf>("file"));
    of_cron.or_else(|| matches.get_one::<PathBuf>("config")).cloned()
}

/// An option that the file gives, as one would type it.
struct FileOption {
    id: String,
    name: String,
    line: usize,
    args: Vec<String>,
}

/// What a section says of these options, without what was said elsewhere.
fn file_options(
    section: &Section<'_>,
    options: &[&Arg],
    others: &[&str],
    matches: Option<&ArgMatches>,
) -> Result<Vec<FileOption>, Failure> {
    let known: Vec<&str> =
        options.iter().flat_map(|arg| option_names(arg)).chain(others.iter().copied()).collect();
    section.check_keys(&known)?;
    let mut found = Vec::new();
    for arg in options {
        let names = option_names(arg);
        let Some(name) = names.first().copied() else { continue };
        let name = names[1..].iter().try_fold(name, |name, other| section.either(name, other))?;
        let id = arg.get_id().as_str();
        let is_said = matches.is_some_and(|matches| is_set(matches, id) || conflicting_is_set(matches, id));
        if let (Some(item), Some(_), false) = (section.get(name), matches, is_said) {
            let words = to_args(section, name, arg, item)?;
            found.push(FileOption { id: id.to_owned(), name: name.to_owned(), line: item.line, args: words });
        }
    }
    Ok(found)
}

fn is_set(matches: &ArgMatches, id: &str) -> bool {
    matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// Options that say the same in other words, or the opposite.
const CONFLICTING: [(&str, &str); 4] = [
    ("verbose", "quiet"),
    ("quiet", "verbose"),
    ("results_ttl", "keep_finished"),
    ("keep_finished", "results_ttl"),
];

fn conflicting_is_set(matches: &ArgMatches, id: &str) -> bool {
    CONFLICTING
        .iter()
        .any(|(one, rival)| *one == id && matches.try_contains_id(rival).is_ok() && is_set(matches, rival))
}

fn to_args(section: &Section<'_>, name: &str, arg: &Arg, item: &Item) -> Result<Vec<String>, Failure> {
    let wrong = |what: &str| section.error_at(item.line, &format!("{name}: {what}"), &see_help_of("worker"));
    let texts = item.texts().ok_or_else(|| wrong("a value or a list of values is wanted"))?;
    match arg.get_action() {
        ArgAction::SetTrue => match texts.as_slice() {
            [flag] if flag == "true" => Ok(vec![format!("--{name}")]),
            [flag] if flag == "false" => Ok(Vec::new()),
            _ => Err(wrong("true or false is wanted")),
        },
        ArgAction::Set if texts.len() != 1 => Err(wrong("one value is wanted")),
        _ if arg.is_positional() => match texts.iter().find(|text| text.starts_with('-')) {
            Some(text) => Err(wrong(&format!("{text:?} would be an option"))),
            None => Ok(texts),
        },
        _ => Ok(texts.iter().map(|text| format!("--{name}={text}")).collect()),
    }
}

/// The name of an option in the file: what one types without the dashes.
fn option_name(arg: &Arg) -> Option<&str> {
    let is_ours = !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    let name = arg.get_long().or_else(|| arg.is_positional().then(|| arg.get_id().as_str()));
    name.filter(|_| is_ours)
}

/// The same, and other words for it.
fn option_names(arg: &Arg) -> Vec<&str> {
    let Some(name) = option_name(arg) else { return Vec::new() };
    let others = arg.get_all_aliases().unwrap_or_default().into_iter().filter(|other| !other.contains('_'));
    std::iter::once(name).chain(others).collect()
}

/// An error about an option of the file names the line.
fn with_file_location(error: clap::Error, file: &ConfigFile, given: &[FileOption]) -> ParseError {
    let Some(ContextValue::String(about)) = error.get(ContextKind::InvalidArg) else {
        return ParseError::Clap(error);
    };
    let name = about.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default();
    match given.iter().find(|option| option.name == name) {
        None => ParseError::Clap(error),
        Some(option) => {
            let what = format!("{}:{}: {}", file.path.display(), option.line, error_summary(&error));
            ParseError::File(Failure::Usage(what, see_help_of("worker")))
        }
    }
}
