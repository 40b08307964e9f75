//! `rq-rs job logs ID`: the output of a job.

use std::sync::Arc;
use std::time::Duration;

use super::exit::{Exit, Failure};
use super::output::{eprint, print_raw};
use crate::client::Client;
use crate::job_handle::Job;

/// Interval between two reads of the output; a worker saves it once a second.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Number of bytes from the end of the printed text that are searched in the new text, to find where to continue.
const OVERLAP: usize = 200;

pub(crate) fn run(client: &Arc<Client>, id: &str, follow: bool) -> Result<Exit, Failure> {
    let mut job = Job::fetch(client, id)?;
    let mut printed = String::new();
    loop {
        let text = job.log.clone().unwrap_or_default();
        if !print_raw(appended(&printed, &text))? {
            return Ok(Exit::Done);
        }
        printed = text;
        if !follow || job.status.has_ended() {
            break;
        }
        std::thread::sleep(POLL_INTERVAL);
        job.refresh()?;
    }
    if !printed.is_empty() && !printed.ends_with('\n') {
        print_raw("\n")?;
    } else if printed.is_empty() {
        eprint(format_args!("{id} has written nothing that was kept"));
    }
    Ok(Exit::Done)
}

/// Returns the text that follows `before` in `now`. Only the last 64 KiB of an output are kept, so that the beginning
/// of `before` may be missing.
fn appended<'a>(before: &str, now: &'a str) -> &'a str {
    if let Some(rest) = now.strip_prefix(before) {
        return rest;
    }
    let end = &before[before.floor_char_boundary(before.len().saturating_sub(OVERLAP))..];
    now.rfind(end).map_or(now, |at| &now[at + end.len()..])
}

#[cfg(test)]
mod tests {
    use super::appended;

    #[test]
    fn only_new_output_is_printed() {
        assert_eq!(appended("", "one\n"), "one\n");
        assert_eq!(appended("one\n", "one\ntwo\n"), "two\n");
        let long: String = (0..100).map(|n| format!("line {n}\n")).collect();
        assert_eq!(appended(&long, &format!("{}line 100\n", &long[300..])), "line 100\n");
        assert_eq!(appended("of another run\n", "begins anew\n"), "begins anew\n");
    }
}
