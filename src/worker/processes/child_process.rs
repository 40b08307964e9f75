//! A child process in a group of its own: what goes in and comes out of it, its time, and its end with all
//! its children. Programs, servers and work horses are all supervised here.

use std::fs::File;
use std::io::PipeReader;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use super::cleanup_shell::CleanupShell;
use super::job_io::{JobIo, KillReason, ProcessExit};
use super::pipes::{read_some, retry_interrupted, watch_exit, write_some};

/// How long the pipes of a dead process may stay open in processes that left its group.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(300);
/// How often a running process is looked at for a cancel.
const CANCEL_CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a process that has closed its connection may take to end.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long an idle process may take to end once its input is closed.
const EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// How a process is connected.
#[derive(Clone, Copy)]
pub(super) enum Transport {
    /// Standard input and output; what it has to tell goes to standard error.
    Pipes,
    /// A socket in the place of standard input, both ways; all that it prints is its own.
    Socket,
}

/// A process that runs.
pub(super) struct ChildProcess {
    child: Child,
    group: Pid,
    keeper: Arc<CleanupShell>,
    input: Option<File>,
    output: Option<File>,
    log: Option<File>,
    exited: PipeReader,
    status: Receiver<WaitStatus>,
    is_reaped: bool,
    /// Until when it may end by itself.
    exit_deadline: Option<Instant>,
}

/// A program blocks the signals that the thread blocks which starts it. It is to hear all of them.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let blocked = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK);
    let child = command.spawn();
    if let Ok(blocked) = blocked {
        blocked.thread_set_mask()?;
    }
    child
}

impl ChildProcess {
    /// Starts it, in a process group of its own: the terminal's Ctrl-C is not for it.
    pub(super) fn start(
        mut command: Command,
        wiring: Transport,
        keeper: &Arc<CleanupShell>,
    ) -> std::io::Result<Self> {
        let (mark, value) = keeper.env_marker();
        command.env(mark, value).process_group(0);
        let (mut child, ours) = match wiring {
            Transport::Pipes => {
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
                (spawn(&mut command)?, None)
            }
            Transport::Socket => {
                let (socket, theirs) = UnixStream::pair()?;
                let (log, writer) = std::io::pipe()?;
                command.stdin(OwnedFd::from(theirs)).stdout(writer.try_clone()?).stderr(writer);
                let ours: [OwnedFd; 3] = [socket.try_clone()?.into(), socket.into(), log.into()];
                (spawn(&mut command)?, Some(ours))
            }
        };
        // The command has the other ends, which would stay open with it.
        drop(command);
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        keeper.register(group);
        let watched = watch_exit(group);
        if watched.is_err() {
            // No process, thread or pipe is left to watch it with.
            let _ = killpg(group, Signal::SIGKILL);
            keeper.unregister(group);
            let _ = child.wait();
        }
        let (exited, status) = watched?;
        let [input, output, log] = match ours {
            Some(ours) => ours.map(Some),
            None => [
                child.stdin.take().map(OwnedFd::from),
                child.stdout.take().map(OwnedFd::from),
                child.stderr.take().map(OwnedFd::from),
            ],
        };
        let keeper = Arc::clone(keeper);
        let [input, output, log] = [input, output, log].map(|end| end.map(File::from));
        let (is_reaped, leave_by) = (false, None);
        let process = ChildProcess {
            child,
            group,
            keeper,
            input,
            output,
            log,
            exited,
            status,
            is_reaped,
            exit_deadline: leave_by,
        };
        for end in [&process.input, &process.output, &process.log].into_iter().flatten() {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(process)
    }

    /// Attends to a job until `is_answered` finds its answer in the output, or the process has ended. Past
    /// the job's time, or when it is canceled, the whole group gets TERM, and KILL a while later.
    pub(super) fn run_job<T>(
        &mut self,
        traffic: &mut JobIo<'_>,
        mut is_answered: impl FnMut(&mut JobIo<'_>) -> Result<Option<T>, String>,
    ) -> std::io::Result<Result<T, ProcessExit>> {
        let mut exited = false;
        loop {
            self.pump(traffic);
            match is_answered(traffic) {
                // An answer after it was told to end comes too late.
                Ok(Some(answer)) if traffic.kill_reason.is_none() && !traffic.is_writing() => {
                    // What it wrote before it answered is there.
                    self.pump(traffic);
                    return Ok(Ok(answer));
                }
                Ok(Some(_)) => {
                    self.on_protocol_error(traffic, "it answered before it had read its job".to_owned())
                }
                Err(what) if !exited => self.on_protocol_error(traffic, what),
                Ok(None) | Err(_) => {}
            }
            if exited {
                return Ok(Err(self.collect_exit(traffic)?));
            }
            self.enforce_deadline(traffic);
            traffic.save_log_if_due();
            exited = self.wait_for_activity(traffic)?;
        }
    }

    fn enforce_deadline(&self, traffic: &mut JobIo<'_>) {
        let now = Instant::now();
        match traffic.kill_at {
            None if traffic.kill_reason.is_none() && traffic.context.is_canceled() => {
                let time_over = traffic.context.time_left().is_some_and(|left| left.is_zero());
                traffic.kill_reason =
                    Some(if time_over { KillReason::DeadlineExceeded } else { KillReason::Canceled });
                self.signal(Signal::SIGTERM);
                traffic.kill_at = Some(now + traffic.limits.kill_after);
            }
            Some(at) if now >= at => {
                traffic.ignored_term |= !traffic.was_killed && !traffic.limits.kill_after.is_zero();
                self.kill(traffic, KillReason::DeadlineExceeded);
            }
            _ => {}
        }
        if traffic.disconnected_at.is_some_and(|at| now >= at + DISCONNECT_TIMEOUT) {
            self.kill(traffic, KillReason::Disconnected);
        }
    }

    fn on_protocol_error(&self, traffic: &mut JobIo<'_>, what: String) {
        if traffic.kill_reason.is_none() {
            traffic.protocol_error = what;
        }
        self.kill(traffic, KillReason::ProtocolError);
    }

    /// The first reason stays.
    fn kill(&self, traffic: &mut JobIo<'_>, why: KillReason) {
        traffic.kill_reason.get_or_insert(why);
        if !std::mem::replace(&mut traffic.was_killed, true) {
            self.signal(Signal::SIGKILL);
        }
    }

    /// It has exited: takes what is left in its pipes, and ends its children.
    fn collect_exit(&mut self, traffic: &mut JobIo<'_>) -> std::io::Result<ProcessExit> {
        let status = self.reap();
        self.input = None;
        let until = Instant::now() + DRAIN_TIMEOUT;
        while (self.output.is_some() || self.log.is_some()) && Instant::now() < until {
            self.poll(None, false, Duration::from_millis(20))?;
            self.pump(traffic);
        }
        let nonsense = std::mem::take(&mut traffic.protocol_error);
        Ok(ProcessExit {
            status,
            kill_reason: traffic.kill_reason,
            ignored_term: traffic.ignored_term,
            protocol_error: nonsense,
        })
    }

    /// The group is gone already when nobody is left in it.
    fn signal(&self, signal: Signal) {
        if !self.is_reaped {
            let _ = killpg(self.group, signal);
        }
    }

    /// Ends all that is left of the group; before its leader is reaped its number cannot be anybody else's.
    fn reap(&mut self) -> WaitStatus {
        if self.is_reaped {
            return WaitStatus::StillAlive;
        }
        let status = self.status.recv().unwrap_or(WaitStatus::StillAlive);
        self.signal(Signal::SIGKILL);
        self.keeper.unregister(self.group);
        let _ = self.child.wait();
        self.is_reaped = true;
        status
    }

    /// Waits for a pipe, the exit or the job's deadline; says whether it has exited.
    fn wait_for_activity(&self, traffic: &JobIo<'_>) -> std::io::Result<bool> {
        let exited = self.exited.as_fd();
        let left = traffic.context.time_left().filter(|_| traffic.kill_reason.is_none());
        // Poll counts in whole milliseconds; a little late is better than many times at once.
        let at_most = left
            .map_or(CANCEL_CHECK_INTERVAL, |left| left + Duration::from_millis(1))
            .min(CANCEL_CHECK_INTERVAL);
        self.poll(Some(exited), traffic.is_writing(), at_most)?;
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

    /// Moves what can be moved without waiting. A pipe that is done is dropped.
    fn pump(&mut self, traffic: &mut JobIo<'_>) {
        if let Some(pipe) = &mut self.input {
            let is_done = write_some(pipe, &traffic.input, &mut traffic.written);
            if is_done && traffic.close_stdin_after {
                self.input = None;
            }
        }
        if self.output.as_mut().is_some_and(|pipe| read_some(pipe, |bytes| traffic.append_output(bytes))) {
            self.output = None;
            traffic.disconnected_at = (!traffic.close_stdin_after).then(Instant::now);
        }
        if self.log.as_mut().is_some_and(|pipe| read_some(pipe, |bytes| traffic.append_log(bytes))) {
            self.log = None;
        }
    }

    /// Whether an idle process can take another job: it lives, and has not spoken without being asked. What
    /// it printed meanwhile belongs to nobody.
    pub(super) fn prepare_for_reuse(&mut self) -> bool {
        let mut has_spoken = false;
        let is_closed = self.output.as_mut().is_none_or(|pipe| read_some(pipe, |_| has_spoken = true));
        if self.log.as_mut().is_some_and(|pipe| read_some(pipe, |_| {})) {
            self.log = None;
        }
        // A child of its may keep its pipes open.
        !is_closed && !has_spoken && self.has_exited().is_ok_and(|has_exited| !has_exited)
    }

    /// Nothing more is asked of it: it may end by itself, soon.
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
