//! Starts the child processes of one worker, and kills those that are left when the worker ends.

use std::process::Command;
use std::sync::Arc;

use super::child_process::ChildProcess;
use super::cleanup_shell::CleanupShell;
use super::limits::Limits;
use super::transport::Transport;
use crate::worker::options::Options;

/// State that all child processes of one worker share: their limits, and the shell that kills them if the worker
/// dies.
pub(crate) struct Supervisor {
    pub(crate) limits: Limits,
    cleanup_shell: Arc<CleanupShell>,
}

impl Supervisor {
    pub(crate) fn new(options: &Options) -> Self {
        Supervisor { limits: Limits::new(options), cleanup_shell: Arc::new(CleanupShell::new()) }
    }

    /// Starts a child process in a process group of its own.
    pub(super) fn start(&self, command: Command, transport: Transport) -> std::io::Result<ChildProcess> {
        ChildProcess::start(command, transport, &self.cleanup_shell)
    }

    /// Kills every process group that is still registered.
    pub(crate) fn kill_all(&self) {
        self.cleanup_shell.kill_all();
    }
}
