//! Warnings and errors about what a command found in Redis.

use super::exit::{Exit, Failure};
use super::output::{PrintResult, eprint};
use crate::client::Client;
use crate::error::Error;
use crate::printable::first_line;
use crate::program;
use crate::queue::{all_queue_names, check_existing_or_valid};
use crate::wrong_type::{WrongTypeKeys, is_wrong_type};

/// Converts an error about one of several jobs. Redis' message about a key of a wrong type names neither the key nor
/// the job, so both are added.
pub(crate) fn job_failure(client: &Client, id: &str, error: Error) -> Failure {
    if !is_wrong_type(&error) {
        return error.into();
    }
    let key = client.keys.job(id);
    let problem = format!("job {id}: {key}, or a key of its queue, is of another type than it should be");
    Failure::Other(problem, format!("another program uses it: see `TYPE {key}`, which should be a hash"))
}

/// Warns of keys of a wrong type, which were skipped. Returns the exit code: a failure if there are any.
pub(crate) fn report_wrong_types(wrong_type_keys: &WrongTypeKeys) -> Exit {
    for key in wrong_type_keys.keys() {
        eprint(format_args!("warning: {key} is of another type than it should be, and passed over"));
    }
    if wrong_type_keys.is_empty() { Exit::Done } else { Exit::Failed }
}

/// Prints a note for each queue that does not exist: its name is most likely misspelled.
pub(crate) fn report_unknown_queues(client: &Client, names: &[String]) -> PrintResult {
    if names.is_empty() {
        return Ok(());
    }
    let known = all_queue_names(client, &mut WrongTypeKeys::default())?;
    for name in names.iter().filter(|name| !known.contains(name)) {
        eprint(format_args!("note: nothing was ever enqueued to {}", first_line(name, 60)));
    }
    Ok(())
}

/// Returns the named queue, with a note if it does not exist, or all queues if none is named.
pub(crate) fn named_or_all_queues(
    client: &Client,
    name: Option<&str>,
    wrong_type_keys: &mut WrongTypeKeys,
) -> Result<Vec<String>, Failure> {
    let Some(name) = name else { return Ok(all_queue_names(client, wrong_type_keys)?) };
    check_existing_or_valid(client, name)?;
    let names = vec![name.to_owned()];
    report_unknown_queues(client, &names)?;
    Ok(names)
}

/// Prints a note that a list has `more` rows, and the command that shows them (`rows`).
pub(crate) fn report_more(more: usize, command: &str, rows: &str) {
    if more > 0 {
        eprint(format_args!("note: {more} more; `{} {command}` shows {rows}", program::name()));
    }
}
