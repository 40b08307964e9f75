//! Options that the file sets, turned into arguments of the command line.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

use super::file::Item;
use super::option_names::{WORKER, option_names};
use super::section::Section;
use crate::cli::exit::Failure;
use crate::program::help_hint;

/// Pairs of options of which one overrides the other: an option of the file is dropped when the command line or the
/// environment has its opponent.
const CONFLICTING: [(&str, &str); 4] = [
    ("verbose", "quiet"),
    ("quiet", "verbose"),
    ("results_ttl", "keep_finished"),
    ("keep_finished", "results_ttl"),
];

/// An option that the file sets.
pub(super) struct FileOption {
    /// clap's id.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) line: usize,
    /// The option as it would be typed.
    pub(super) args: Vec<String>,
}

/// Reads the options of a section, except those that the command line or the environment sets. Without `matches`, the
/// keys are checked but no option is returned. `other_keys` are keys of the section that are not options.
pub(super) fn file_options(
    section: &Section<'_>,
    options: &[&Arg],
    other_keys: &[&str],
    matches: Option<&ArgMatches>,
) -> Result<Vec<FileOption>, Failure> {
    let known: Vec<&str> =
        options.iter().flat_map(|arg| option_names(arg)).chain(other_keys.iter().copied()).collect();
    section.check_keys(&known)?;
    let mut found = Vec::new();
    for arg in options {
        let names = option_names(arg);
        let Some(name) = names.first().copied() else { continue };
        let name = names[1..].iter().try_fold(name, |name, alias| section.either(name, alias))?;
        let id = arg.get_id().as_str();
        let is_overridden = |matches| is_set(matches, id) || conflicting_is_set(matches, id);
        if let (Some(item), Some(false)) = (section.get(name), matches.map(is_overridden)) {
            let args = to_args(section, name, arg, item)?;
            found.push(FileOption { id: id.to_owned(), name: name.to_owned(), line: item.line, args });
        }
    }
    Ok(found)
}

/// Returns whether the command line or the environment sets the option.
fn is_set(matches: &ArgMatches, id: &str) -> bool {
    matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

fn conflicting_is_set(matches: &ArgMatches, id: &str) -> bool {
    CONFLICTING.iter().any(|(option, rival)| {
        *option == id && matches.try_contains_id(rival).is_ok() && is_set(matches, rival)
    })
}

fn to_args(section: &Section<'_>, name: &str, arg: &Arg, item: &Item) -> Result<Vec<String>, Failure> {
    let error = |what: &str| section.error_at(item.line, &format!("{name}: {what}"), &help_hint(WORKER));
    let texts = item.texts().ok_or_else(|| error("expected a value or a list of values"))?;
    match arg.get_action() {
        ArgAction::SetTrue => match texts.as_slice() {
            [flag] if flag == "true" => Ok(vec![format!("--{name}")]),
            [flag] if flag == "false" => Ok(Vec::new()),
            _ => Err(error("expected true or false")),
        },
        ArgAction::Set if texts.len() != 1 => Err(error("expected one value")),
        _ if arg.is_positional() => match texts.iter().find(|text| text.starts_with('-')) {
            Some(text) => Err(error(&format!("{text:?} would be an option"))),
            None => Ok(texts),
        },
        _ => Ok(texts.iter().map(|text| format!("--{name}={text}")).collect()),
    }
}
