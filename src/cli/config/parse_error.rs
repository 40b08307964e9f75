//! Errors of the command line that name the variable, or the line of the file, with the wrong value.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue};

use super::file::ConfigFile;
use super::file_options::FileOption;
use super::option_names::WORKER;
use crate::cli::exit::Failure;
use crate::program::help_hint;

/// The reason why no command can be run.
pub(crate) enum ParseError {
    /// Help or the version is asked for, or the command line is wrong.
    Clap(clap::Error),
    /// The file or the environment is wrong.
    Config(Failure),
}

impl From<clap::Error> for ParseError {
    fn from(error: clap::Error) -> Self {
        ParseError::Clap(error)
    }
}

impl From<Failure> for ParseError {
    fn from(failure: Failure) -> Self {
        ParseError::Config(failure)
    }
}

/// Returns the first line of an error, without clap's `error: `.
pub(crate) fn error_summary(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Adds the name of the variable if the wrong value comes from the environment.
pub(super) fn with_variable_name(
    error: clap::Error,
    command: &Command,
    arguments: &[OsString],
) -> ParseError {
    match variable_at_fault(&error, command, arguments) {
        Some(variable) => {
            let what = format!("{variable}: {}", error_summary(&error));
            ParseError::Config(Failure::Usage(what, help_hint(WORKER)))
        }
        None => ParseError::Clap(error),
    }
}

fn variable_at_fault(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Option<String> {
    let (invalid, value) =
        (text_of(error, ContextKind::InvalidArg)?, text_of(error, ContextKind::InvalidValue)?);
    let option = invalid.split([' ', '=']).next()?;
    let long = option.strip_prefix("--")?;
    let commands = std::iter::once(command).chain(command.get_subcommands());
    let mut named = commands.flat_map(Command::get_arguments).filter(|arg| arg.get_long() == Some(long));
    let arg = named.find(|arg| arg.get_env().is_some())?;
    let variable = arg.get_env()?.to_str()?;
    let short = arg.get_short().map(|letter| format!("-{letter}"));
    let is_typed = arguments.iter().map(|word| word.to_string_lossy()).any(|word| {
        word.starts_with(option) || short.as_ref().is_some_and(|short| word.starts_with(short.as_str()))
    });
    let has_value = std::env::var(variable).is_ok_and(|held| held.contains(value));
    (has_value && !is_typed).then(|| variable.to_owned())
}

/// Adds the file and the line if the wrong value comes from the file.
pub(super) fn with_file_location(
    error: clap::Error,
    file: &ConfigFile,
    options: &[FileOption],
) -> ParseError {
    let Some(invalid) = text_of(&error, ContextKind::InvalidArg) else { return ParseError::Clap(error) };
    let name = invalid.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default();
    match options.iter().find(|option| option.name == name) {
        None => ParseError::Clap(error),
        Some(option) => {
            let what = format!("{}:{}: {}", file.path.display(), option.line, error_summary(&error));
            ParseError::Config(Failure::Usage(what, help_hint(WORKER)))
        }
    }
}

/// Returns the text that an error has for `kind`, if it has one.
pub(crate) fn text_of(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}
