//! The limit of open files. A worker without files for its child processes would put its jobs back again and again.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::options::Options;
use crate::error::{Error, Result};

/// Standard streams, signals, connections of the worker's own threads, and a few files for the handlers.
const OWN_FILES: u64 = 20;
/// Three pipes, and the child's end of one of them while the process starts.
const FILES_PER_PROCESS: u64 = 4;

/// Raises the process' own limit to the number of files that the worker may need, as far as the system allows. Returns
/// a warning if some jobs may have to wait for files.
///
/// # Errors
/// [`Error::SystemLimit`] when there are not enough files for a single job.
pub(super) fn raise(options: &Options, has_processes: bool) -> Result<Option<String>> {
    let per_slot = if has_processes { FILES_PER_PROCESS } else { 0 };
    let watchers = if options.burst { 0 } else { options.queues.len() as u64 };
    let min = OWN_FILES + watchers.min(1) + per_slot;
    let max = OWN_FILES + watchers + per_slot * options.concurrency as u64;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return Ok(None) };
    let mut limit = soft;
    if soft < max && setrlimit(Resource::RLIMIT_NOFILE, max.min(hard), hard).is_ok() {
        limit = max.min(hard);
    }
    if limit < min {
        return Err(Error::SystemLimit {
            what: format!("this process may open {limit} files, and a worker needs at least {min}"),
            hint: "raise the limit: `ulimit -n 1024`, LimitNOFILE= in a systemd unit".to_owned(),
        });
    }
    let is_short = limit < max;
    Ok(is_short
        .then(|| format!("this process may open {limit} files, and may need {max}: some jobs may wait")))
}
