//! Warnings and errors about what a command found in Redis.

use super::exit::{Exit, Failure};
use super::output::{PrintResult, eprint};
use crate::client::Client;
use crate::error::Error;
use crate::printable::first_line;
use crate::program;
use crate::queue::all_queue_names;
use crate::wrong_type::{WrongTypeKeys, is_wrong_type};

/// Why something could not be done to one job of several. Redis' words for a key of another type name neither.
pub(crate) fn job_failure(client: &Client, id: &str, error: Error) -> Failure {
    if !is_wrong_type(&error) {
        return error.into();
    }
    let key = client.keys.job(id);
    let what = format!("job {id}: {key}, or a key of its queue, is of another type than it should be");
    Failure::Other(what, format!("another program uses it: see `TYPE {key}`, which should be a hash"))
}

/// Names the keys that were passed over; a command that has met any has not done all.
pub(crate) fn report_wrong_types(wrong_keys: &WrongTypeKeys) -> Exit {
    for key in wrong_keys.keys() {
        eprint(format_args!("warning: {key} is of another type than it should be, and passed over"));
    }
    if wrong_keys.is_empty() { Exit::Done } else { Exit::Failed }
}

/// A queue that nobody knows is most likely a slip of the fingers.
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

/// Says that there is more, and which command shows what of it.
pub(crate) fn report_more(more: usize, command: &str, what: &str) {
    if more > 0 {
        eprint(format_args!("note: {more} more; `{} {command}` shows {what}", program::name()));
    }
}
