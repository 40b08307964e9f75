//! Starting a child process: its environment, its signal mask, and the outcome when it cannot start.

use std::process::{Child, Command};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};

use crate::job::{Outcome, RetryDirective};

/// Pause of a slot after the system had no descriptor, process or memory left for a child.
const RESOURCE_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Returns a command without the environment variables of Redis and rq-rs, which may hold a password.
pub(super) fn command_without_redis_env(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.contains("REDIS") || text.starts_with("RQ_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Starts a child with no signal blocked. A child inherits the signal mask of the thread that starts it, and
/// the threads of a worker block signals.
pub(super) fn spawn_unmasked(command: &mut Command) -> std::io::Result<Child> {
    let blocked = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let child = command.spawn();
    if let Ok(blocked) = blocked {
        blocked.thread_set_mask()?;
    }
    child
}

/// Returns the outcome of a job whose process could not be started. If the system is out of descriptors, processes or
/// memory, the slot first waits for [`RESOURCE_RETRY_DELAY`], and the job is put back because its run has not begun.
pub(super) fn spawn_failed(handler: &str, program: &str, error: &std::io::Error) -> Outcome {
    let errno = error.raw_os_error().map(Errno::from_raw);
    if matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN | Errno::ENOMEM)) {
        log::warn!(target: "rq_rs", "{handler}: cannot start {program} now: {error}");
        std::thread::sleep(RESOURCE_RETRY_DELAY);
        return Outcome::NotBegun;
    }
    Outcome::Failed {
        error: format!("{handler}: cannot start {program}: {error}"),
        directive: RetryDirective::UsePolicy,
    }
}
