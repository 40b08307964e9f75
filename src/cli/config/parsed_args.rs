//! The parsed command line, with the options, handlers and cron entries of the file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;

use clap::{Arg, ArgMatches, Command};

use super::entries::{self, HandlerConfig};
use super::environment::is_env_set;
use super::file::ConfigFile;
use super::file_options::file_options;
use super::option_names::{WORKER, variable_name};
use super::parse_error::{ParseError, with_file_location, with_variable_name};
use super::section::Section;
use crate::cli::exit::Failure;
use crate::cli::output::print_error;
use crate::cli::value_parsers::parse_switch;
use crate::cron::Cron;
use crate::program::help_hint;

/// The options of one invocation, from the command line, the environment and the file.
pub(crate) struct ParsedArgs {
    pub(crate) matches: ArgMatches,
    pub(super) file: Option<Rc<ConfigFile>>,
    /// Ids of the options that the file sets, each with its line.
    pub(super) file_lines: BTreeMap<String, usize>,
}

/// Parses the arguments, and the file that they name.
pub(crate) fn parse(command: &mut Command, arguments: &[OsString]) -> Result<ParsedArgs, ParseError> {
    let matches = parse_args(command, arguments)?;
    match file_path(&matches) {
        Some(path) => with_file(command, arguments, &matches, Rc::new(ConfigFile::read(&path)?)),
        None => Ok(ParsedArgs { matches, file: None, file_lines: BTreeMap::new() }),
    }
}

fn parse_args(command: &mut Command, arguments: &[OsString]) -> Result<ArgMatches, ParseError> {
    let parsed = command.try_get_matches_from_mut(arguments);
    parsed.map_err(|error| with_variable_name(error, command, arguments))
}

/// Returns the path of `--config FILE`, or of `cron FILE`, which is a configuration file too.
fn file_path(matches: &ArgMatches) -> Option<PathBuf> {
    let of_cron = matches.subcommand_matches("cron").and_then(|cron| cron.get_one::<PathBuf>("file"));
    of_cron.or_else(|| matches.get_one::<PathBuf>("config")).cloned()
}

/// Parses the arguments again, followed by those options of the file that nothing else sets.
fn with_file(
    command: &mut Command,
    arguments: &[OsString],
    matches: &ArgMatches,
    file: Rc<ConfigFile>,
) -> Result<ParsedArgs, ParseError> {
    let root = Section::root(&file);
    let sections = ["worker", "handlers", "cron"];
    let globals: Vec<&Arg> = command.get_arguments().filter(|arg| arg.get_id() != "config").collect();
    let mut options = file_options(&root, &globals, &sections, Some(matches))?;
    if let (Some(section), Some(worker)) = (root.table(WORKER)?, command.find_subcommand(WORKER)) {
        let matches = matches.subcommand_matches(WORKER);
        let own: Vec<&Arg> = worker.get_arguments().filter(|arg| !arg.is_global_set()).collect();
        options.extend(file_options(&section, &own, &[], matches)?);
    }
    entries::read_handlers(&file)?;
    let from_file = options.iter().flat_map(|option| option.args.iter().map(OsString::from));
    let end = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
    let all = arguments[..end].iter().cloned().chain(from_file).chain(arguments[end..].iter().cloned());
    match command.try_get_matches_from_mut(all) {
        Ok(matches) => {
            let file_lines = options.into_iter().map(|option| (option.id, option.line)).collect();
            Ok(ParsedArgs { matches, file: Some(file), file_lines })
        }
        Err(error) => Err(with_file_location(error, &file, &options)),
    }
}

impl ParsedArgs {
    /// Parses other arguments with the same file, which may be a pipe that cannot be read twice.
    pub(super) fn reparse(
        &self,
        command: &mut Command,
        arguments: &[OsString],
    ) -> Result<ParsedArgs, ParseError> {
        let matches = parse_args(command, arguments)?;
        match &self.file {
            Some(file) => with_file(command, arguments, &matches, Rc::clone(file)),
            None => Ok(ParsedArgs { matches, file: None, file_lines: BTreeMap::new() }),
        }
    }

    /// Returns the handlers and the valid cron entries of the file, and the number of invalid entries, whose errors
    /// are printed.
    pub(super) fn entries(&self) -> Result<(Vec<HandlerConfig>, Vec<Cron>, usize), Failure> {
        let Some(file) = &self.file else { return Ok(Default::default()) };
        let (valid, errors) = entries::read_crons(file)?;
        errors.iter().for_each(print_error);
        Ok((entries::read_handlers(file)?, valid, errors.len()))
    }

    /// Returns the handlers and cron entries of the file. Invalid entries are left out and their errors printed if
    /// `is_lenient`; otherwise the first one is the error.
    pub(crate) fn valid_entries(&self, is_lenient: bool) -> Result<(Vec<HandlerConfig>, Vec<Cron>), Failure> {
        let Some(file) = &self.file else { return Ok(Default::default()) };
        let (valid, mut errors) = entries::read_crons(file)?;
        let first = (!is_lenient && !errors.is_empty()).then(|| errors.remove(0));
        errors.iter().for_each(print_error);
        first.map_or(Ok(()), Err)?;
        Ok((entries::read_handlers(file)?, valid))
    }

    /// Returns whether the environment or the file has `cron-lenient`, the option of `worker`.
    pub(crate) fn is_cron_lenient(&self) -> Result<bool, Failure> {
        const OPTION: &str = "cron-lenient";
        let variable = variable_name(OPTION);
        if is_env_set(&variable) {
            let value = std::env::var_os(&variable).unwrap_or_default();
            return parse_switch(&value.to_string_lossy())
                .map_err(|what| Failure::Usage(format!("{variable}: {what}"), help_hint(WORKER)));
        }
        let section = self.file.as_ref().map(|file| Section::root(file).table(WORKER)).transpose()?.flatten();
        let value = section.map(|section| section.parse_one(OPTION, parse_switch)).transpose()?;
        Ok(value.flatten().unwrap_or(false))
    }
}
