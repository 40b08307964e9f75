//! A child process in a process group of its own: its pipes, the deadline of its job, and its end with all
//! its children. Programs, servers and work horses are all run by this file.

use std::fs::File;
use std::io::PipeReader;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use super::cleanup_shell::CleanupShell;
use super::job_io::{JobIo, KillReason, ProcessExit};
use super::pipes::{read_some, retry_interrupted, watch_exit, write_some};
use super::transport::{Transport, spawn_connected};

/// Limit for reading the pipes of a dead process: processes that left its group may keep them open.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(300);
/// Interval at which the cancel flag of a running job is checked.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// Time that a process has to exit after it has closed its output.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Time that an idle process has to exit after its input is closed.
const EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// A child process that has been started.
pub(super) struct ChildProcess {
    child: Child,
    group: Pid,
    cleanup_shell: Arc<CleanupShell>,
    input: Option<File>,
    output: Option<File>,
    log: Option<File>,
    /// Becomes readable when the process has exited.
    exited: PipeReader,
    status: Receiver<WaitStatus>,
    is_reaped: bool,
    /// The moment at which an idle process that was asked to exit is killed.
    exit_deadline: Option<Instant>,
}

impl ChildProcess {
    /// Starts a process in a group of its own, so that Ctrl-C in the terminal does not reach it.
    pub(super) fn start(
        mut command: Command,
        transport: Transport,
        cleanup_shell: &Arc<CleanupShell>,
    ) -> std::io::Result<Self> {
        let (marker, value) = cleanup_shell.env_marker();
        command.env(marker, value).process_group(0);
        let (mut child, ends) = spawn_connected(command, transport)?;
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        cleanup_shell.register(group);
        let watched = watch_exit(group);
        if watched.is_err() {
            // The system has no thread or descriptor left to watch the process with.
            let _ = killpg(group, Signal::SIGKILL);
            cleanup_shell.unregister(group);
            let _ = child.wait();
        }
        let (exited, status) = watched?;
        let [input, output, log] = ends.map(|end| end.map(File::from));
        let process = ChildProcess {
            child,
            group,
            cleanup_shell: Arc::clone(cleanup_shell),
            input,
            output,
            log,
            exited,
            status,
            is_reaped: false,
            exit_deadline: None,
        };
        for end in [&process.input, &process.output, &process.log].into_iter().flatten() {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(process)
    }

    /// Runs one job: writes its input and reads the output until `find_response` returns the response, or the
    /// process has exited. When the job is past its deadline or canceled, the process group gets TERM, and
    /// `kill_after` later KILL.
    pub(super) fn run_job<T>(
        &mut self,
        io: &mut JobIo<'_>,
        mut find_response: impl FnMut(&mut JobIo<'_>) -> Result<Option<T>, String>,
    ) -> std::io::Result<Result<T, ProcessExit>> {
        let mut exited = false;
        loop {
            self.pump(io);
            match find_response(io) {
                // A response after TERM comes too late.
                Ok(Some(response)) if io.kill_reason.is_none() && !io.has_unwritten_input() => {
                    // Reads the rest of the log, which was written before the response.
                    self.pump(io);
                    return Ok(Ok(response));
                }
                Ok(Some(_)) => {
                    self.on_protocol_error(io, "it answered before it had read its job".to_owned());
                }
                Err(error) if !exited => self.on_protocol_error(io, error),
                Ok(None) | Err(_) => {}
            }
            if exited {
                return Ok(Err(self.collect_exit(io)?));
            }
            self.enforce_deadlines(io);
            io.save_log_if_due();
            exited = self.wait_for_activity(io)?;
        }
    }

    fn enforce_deadlines(&self, io: &mut JobIo<'_>) {
        let now = Instant::now();
        match io.kill_at {
            None if io.kill_reason.is_none() && io.context.is_canceled() => {
                let is_over = io.context.time_left().is_some_and(|left| left.is_zero());
                io.kill_reason =
                    Some(if is_over { KillReason::DeadlineExceeded } else { KillReason::Canceled });
                self.signal(Signal::SIGTERM);
                io.kill_at = Some(now + io.limits.kill_after);
            }
            Some(at) if now >= at => {
                io.ignored_term |= !io.was_killed && !io.limits.kill_after.is_zero();
                self.kill(io, KillReason::DeadlineExceeded);
            }
            _ => {}
        }
        if io.disconnected_at.is_some_and(|at| now >= at + DISCONNECT_TIMEOUT) {
            self.kill(io, KillReason::Disconnected);
        }
    }

    fn on_protocol_error(&self, io: &mut JobIo<'_>, error: String) {
        if io.kill_reason.is_none() {
            io.protocol_error = error;
        }
        self.kill(io, KillReason::ProtocolError);
    }

    /// Kills the group. An earlier reason is kept.
    fn kill(&self, io: &mut JobIo<'_>, reason: KillReason) {
        io.kill_reason.get_or_insert(reason);
        if !std::mem::replace(&mut io.was_killed, true) {
            self.signal(Signal::SIGKILL);
        }
    }

    /// Cleans up after the exit: kills the children that are left, and reads the rest of the pipes.
    fn collect_exit(&mut self, io: &mut JobIo<'_>) -> std::io::Result<ProcessExit> {
        let status = self.reap();
        self.input = None;
        let until = Instant::now() + DRAIN_TIMEOUT;
        while (self.output.is_some() || self.log.is_some()) && Instant::now() < until {
            self.poll(None, false, Duration::from_millis(20))?;
            self.pump(io);
        }
        let protocol_error = std::mem::take(&mut io.protocol_error);
        Ok(ProcessExit { status, kill_reason: io.kill_reason, ignored_term: io.ignored_term, protocol_error })
    }

    /// Signals the group. An error means that the group has no process left.
    fn signal(&self, signal: Signal) {
        if !self.is_reaped {
            let _ = killpg(self.group, signal);
        }
    }

    /// Kills the rest of the group, then reaps its leader. Until the leader is reaped, no other process
    /// can have the group's number.
    fn reap(&mut self) -> WaitStatus {
        if self.is_reaped {
            return WaitStatus::StillAlive;
        }
        let status = self.status.recv().unwrap_or(WaitStatus::StillAlive);
        self.signal(Signal::SIGKILL);
        self.cleanup_shell.unregister(self.group);
        let _ = self.child.wait();
        self.is_reaped = true;
        status
    }

    /// Waits for a pipe, the exit, the job's deadline or the next check for a cancel. Returns whether the
    /// process has exited.
    fn wait_for_activity(&self, io: &JobIo<'_>) -> std::io::Result<bool> {
        let exited = self.exited.as_fd();
        let left = io.context.time_left().filter(|_| io.kill_reason.is_none());
        // Poll counts in whole milliseconds: round up, so that it does not spin in the last one.
        let at_most = left
            .map_or(CANCEL_CHECK_INTERVAL, |left| left + Duration::from_millis(1))
            .min(CANCEL_CHECK_INTERVAL);
        self.poll(Some(exited), io.has_unwritten_input(), at_most)?;
        self.has_exited()
    }

    fn has_exited(&self) -> std::io::Result<bool> {
        let mut fds = [PollFd::new(self.exited.as_fd(), PollFlags::POLLIN)];
        retry_interrupted(|| poll(&mut fds, PollTimeout::ZERO))?;
        Ok(fds[0].any().unwrap_or(false))
    }

    fn poll(
        &self,
        exited: Option<BorrowedFd<'_>>,
        is_writing: bool,
        at_most: Duration,
    ) -> std::io::Result<()> {
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(4);
        fds.extend(exited.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        fds.extend(self.output.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.log.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        let input = self.input.as_ref().filter(|_| is_writing);
        fds.extend(input.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::ZERO);
        retry_interrupted(|| poll(&mut fds, timeout))
    }

    /// Writes and reads as much as is possible without waiting, and closes pipes at their end.
    fn pump(&mut self, io: &mut JobIo<'_>) {
        if let Some(pipe) = &mut self.input {
            let is_done = write_some(pipe, &io.input, &mut io.written);
            if is_done && io.close_stdin_after {
                self.input = None;
            }
        }
        if self.output.as_mut().is_some_and(|pipe| read_some(pipe, |bytes| io.append_output(bytes))) {
            self.output = None;
            io.disconnected_at = (!io.close_stdin_after).then(Instant::now);
        }
        if self.log.as_mut().is_some_and(|pipe| read_some(pipe, |bytes| io.append_log(bytes))) {
            self.log = None;
        }
    }

    /// Discards the log of an idle process. Returns whether the process can run another job: it is alive
    /// and has written no output between jobs.
    pub(super) fn prepare_for_reuse(&mut self) -> bool {
        let mut has_output = false;
        let is_closed = self.output.as_mut().is_none_or(|pipe| read_some(pipe, |_| has_output = true));
        if self.log.as_mut().is_some_and(|pipe| read_some(pipe, |_| {})) {
            self.log = None;
        }
        // A child of the process may keep the pipes open after its exit.
        !is_closed && !has_output && self.has_exited().is_ok_and(|has_exited| !has_exited)
    }

    /// Asks an idle process to exit by closing its input. [`Drop`] waits, and kills it after
    /// [`EXIT_TIMEOUT`].
    pub(super) fn begin_shutdown(&mut self) {
        self.input = None;
        self.output = None;
        self.exit_deadline.get_or_insert_with(|| Instant::now() + EXIT_TIMEOUT);
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        self.begin_shutdown();
        let exited = self.exited.as_fd();
        let left =
            self.exit_deadline.map(|by| by.saturating_duration_since(Instant::now())).unwrap_or_default();
        let within = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        let _ = retry_interrupted(|| poll(&mut [PollFd::new(exited, PollFlags::POLLIN)], within));
        self.signal(Signal::SIGKILL);
        self.reap();
    }
}
