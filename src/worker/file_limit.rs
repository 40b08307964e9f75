//! File descriptors: a worker that cannot have enough of them would put its jobs back for ever.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::options::Options;
use crate::error::{Error, Result};

/// Standard streams, signals, connections of the worker's threads, and room for a handler's own file.
const OWN_FILES: u64 = 20;
/// Three pipes, and the child's end of one while it starts.
const FILES_PER_PROCESS: u64 = 4;

/// Raises the process' own limit as far as the system allows and the worker may need. Returns a warning when some
/// slots may have to wait for others.
///
/// # Errors
/// [`Error::SystemLimit`] when not one job can run.
pub(super) fn raise(options: &Options, has_processes: bool) -> Result<Option<String>> {
    let each = if has_processes { FILES_PER_PROCESS } else { 0 };
    let watchers = if options.burst { 0 } else { options.queues.len() as u64 };
    let least = OWN_FILES + watchers.min(1) + each;
    let most = OWN_FILES + watchers + each * options.concurrency as u64;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return Ok(None) };
    let mut limit = soft;
    if soft < most && setrlimit(Resource::RLIMIT_NOFILE, most.min(hard), hard).is_ok() {
        limit = most.min(hard);
    }
    if limit < least {
        return Err(Error::SystemLimit {
            what: format!("this process may open {limit} files, and a worker needs at least {least}"),
            hint: "raise the limit: `ulimit -n 1024`, LimitNOFILE= in a systemd unit".to_owned(),
        });
    }
    let is_short = limit < most;
    Ok(is_short
        .then(|| format!("this process may open {limit} files, and may need {most}: some jobs may wait")))
}
