//! Programs as handlers: one process for a job, in a process group of its own, which gets its
//! input, has its output taken and its time kept, and is gone with all its children afterwards.

use std::io::{ErrorKind, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use super::Context;
use crate::error::{Error, Result};
use crate::job::{Call, Outcome, Serializer, Steer, iso, parse_json};

/// How much of standard error is kept: its end.
const KEEP_STDERR: usize = 64 * 1024;
/// How long the pipes of a dead program may stay open in processes that left its group.
const DRAIN: Duration = Duration::from_secs(1);
/// How often a running program is looked at for a cancel.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A program's way to ask for another try: `EX_TEMPFAIL` of sysexits.h.
const TRY_LATER: i32 = 75;

/// Limits that concern handlers.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_result: usize,
    pub(crate) kill_after: Duration,
}

/// A command line, split once.
pub(crate) struct Program {
    words: Vec<String>,
}

impl Program {
    pub(crate) fn parse(command: &str) -> Result<Self> {
        let words = shlex::split(command).filter(|words| !words.is_empty()).ok_or_else(|| {
            Error::invalid(
                format!("the command {command:?} cannot be split into words"),
                "quote as in a shell; no shell runs, so pipes and variables need `sh -c '…'`",
            )
        })?;
        if !is_program(&words[0]) {
            return Err(Error::invalid(
                format!("no program {:?} for a handler", words[0]),
                "give its path, or put its folder on PATH",
            ));
        }
        Ok(Program { words })
    }

    pub(crate) fn run(&self, context: &Context, call: Call, limits: Limits) -> Outcome {
        let (handler, serializer) = (call.handler.clone(), call.serializer);
        let input = input(context, call);
        let child = match self.command(context).spawn() {
            Ok(child) => child,
            Err(error) => {
                let error = format!("{handler}: cannot start {}: {error}", self.words[0]);
                let steer = Steer::Policy;
                return Outcome::Failed { error, steer };
            }
        };
        let end = match Supervised::new(child, input, limits).and_then(|run| run.until_it_ends(context)) {
            Ok(end) => end,
            Err(error) => {
                return Outcome::Crashed { error: format!("{handler}: lost sight of its program: {error}") };
            }
        };
        let stderr = String::from_utf8_lossy(&end.stderr).trim_end().to_owned();
        if !stderr.is_empty() {
            context.save_log(stderr.clone());
        }
        outcome(&handler, end, &stderr, limits, serializer)
    }

    fn command(&self, context: &Context) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A handler has no business with Redis, and its own children even less.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.contains("REDIS") || name.starts_with("RQ_") {
                command.env_remove(&*name);
            }
        }
        command
            .env("RQ_RS_JOB_ID", context.id())
            .env("RQ_RS_QUEUE", context.queue())
            .env("RQ_RS_ATTEMPT", context.attempt().to_string());
        command
    }
}

fn is_program(name: &str) -> bool {
    if name.contains('/') {
        return Path::new(name).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// The job as one line of JSON.
fn input(context: &Context, call: Call) -> Vec<u8> {
    let deadline = context.time_left().and_then(|left| {
        let left = chrono::Duration::from_std(left).ok()?;
        Some(iso(chrono::Utc::now() + left))
    });
    let handler = call.handler.clone();
    let (args, kwargs) = call.into_view();
    let job = serde_json::json!({
        "id": context.id(),
        "queue": context.queue(),
        "handler": handler,
        "args": args,
        "kwargs": kwargs,
        "attempt": context.attempt(),
        "meta": context.meta(),
        "deadline": deadline,
    });
    format!("{job}\n").into_bytes()
}

/// Why a program was told to end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    TimeOver,
    Canceled,
}

/// How a program ended.
struct End {
    status: WaitStatus,
    told: Option<Told>,
    killed: bool,
    allowed: Option<Duration>,
    stdout: Vec<u8>,
    stdout_size: usize,
    stderr: Vec<u8>,
}

fn outcome(handler: &str, end: End, stderr: &str, limits: Limits, serializer: Serializer) -> Outcome {
    let last = stderr.lines().last().unwrap_or_default();
    let explain = |what: String| match stderr {
        "" => format!("{handler} {what}"),
        text => format!("{handler} {what}: {last}\n\nStandard error:\n{text}"),
    };
    match (end.told, end.status) {
        (Some(Told::TimeOver), _) => {
            let seconds = end.allowed.unwrap_or_default().as_secs();
            let killed = match end.killed {
                true => format!(", ignored TERM and was killed {} s later", limits.kill_after.as_secs()),
                false => String::new(),
            };
            let error = explain(format!("timed out after {seconds} s{killed}"));
            Outcome::TimedOut { error }
        }
        (Some(Told::Canceled), _) => {
            let error = explain("was canceled".to_owned());
            Outcome::Failed { error, steer: Steer::GiveUp }
        }
        (None, WaitStatus::Exited(_, 0)) if end.stdout_size > limits.max_result => Outcome::Failed {
            error: explain(format!(
                "wrote a result of {} bytes, over the limit of {}",
                end.stdout_size, limits.max_result
            )),
            steer: Steer::GiveUp,
        },
        (None, WaitStatus::Exited(_, 0)) => match result(&end.stdout, serializer) {
            Ok(result) => Outcome::Returned(result),
            Err(error) => Outcome::Failed {
                error: explain(format!("wrote a result that cannot be kept as {serializer}: {error}")),
                steer: Steer::GiveUp,
            },
        },
        (None, WaitStatus::Exited(_, TRY_LATER)) => Outcome::Failed {
            error: explain(format!("exited with code {TRY_LATER}: try again later")),
            steer: Steer::Later(None),
        },
        (None, WaitStatus::Exited(_, code)) => {
            Outcome::Failed { error: explain(format!("exited with code {code}")), steer: Steer::Policy }
        }
        (None, WaitStatus::Signaled(_, signal, _)) => {
            let hint = if signal == Signal::SIGKILL { " (out of memory, perhaps)" } else { "" };
            let error = explain(format!("was killed by signal {} {signal}{hint}", signal as i32));
            Outcome::Crashed { error }
        }
        (None, status) => Outcome::Crashed { error: explain(format!("ended in an unknown way: {status:?}")) },
    }
}

/// JSON if it parses, else text without the last line end; nothing is `null`.
fn result(stdout: &[u8], serializer: Serializer) -> Result<Vec<u8>, String> {
    let text = String::from_utf8_lossy(stdout);
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return serializer.write(&());
    }
    match parse_json(text) {
        Ok(value) => serializer.write(&value),
        Err(_) => serializer.write(text),
    }
}

/// A running program: its pipes, and what came out of them.
struct Supervised {
    child: Child,
    group: Pid,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    input: Vec<u8>,
    written: usize,
    exited: PipeReader,
    status: Receiver<WaitStatus>,
    end: End,
    limits: Limits,
}

impl Supervised {
    fn new(mut child: Child, input: Vec<u8>, limits: Limits) -> std::io::Result<Self> {
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        let watched = watch_exit(group);
        if watched.is_err() {
            // No thread or pipe is left to watch it with.
            let _ = killpg(group, Signal::SIGKILL);
            let _ = child.wait();
        }
        let (exited, status) = watched?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let run = Supervised {
            child,
            group,
            stdin,
            stdout,
            stderr,
            input,
            written: 0,
            exited,
            status,
            end: End {
                status: WaitStatus::StillAlive,
                told: None,
                killed: false,
                allowed: None,
                stdout: Vec::new(),
                stdout_size: 0,
                stderr: Vec::new(),
            },
            limits,
        };
        let pipes = [
            run.stdin.as_ref().map(AsFd::as_fd),
            run.stdout.as_ref().map(AsFd::as_fd),
            run.stderr.as_ref().map(AsFd::as_fd),
        ];
        for pipe in pipes.into_iter().flatten() {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(run)
    }

    fn until_it_ends(mut self, context: &Context) -> std::io::Result<End> {
        self.end.allowed = context.timeout();
        let mut kill_at = None;
        loop {
            let exited = self.wait_for_news(LOOK_EVERY)?;
            self.move_data();
            if exited {
                break;
            }
            match kill_at {
                None if context.is_canceled() => {
                    let time_over = context.time_left().is_some_and(|left| left.is_zero());
                    self.end.told = Some(if time_over { Told::TimeOver } else { Told::Canceled });
                    self.signal(Signal::SIGTERM);
                    kill_at = Some(Instant::now() + self.limits.kill_after);
                }
                Some(at) if Instant::now() >= at && !self.end.killed => {
                    self.end.killed = true;
                    self.signal(Signal::SIGKILL);
                }
                _ => {}
            }
        }
        self.end.status = self.status.recv().unwrap_or(WaitStatus::StillAlive);
        // Before it is reaped its number cannot belong to anybody else.
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
        self.stdin = None;
        let until = Instant::now() + DRAIN;
        while (self.stdout.is_some() || self.stderr.is_some()) && Instant::now() < until {
            self.wait_for_output(Duration::from_millis(20))?;
            self.move_data();
        }
        Ok(self.end)
    }

    /// The group is gone already when nobody is left in it.
    fn signal(&self, signal: Signal) {
        let _ = killpg(self.group, signal);
    }

    /// Waits for a pipe or the exit; says whether it has exited.
    fn wait_for_news(&self, at_most: Duration) -> std::io::Result<bool> {
        let exited = self.exited.as_fd();
        self.poll(Some(exited), at_most)?;
        let mut fds = [PollFd::new(exited, PollFlags::POLLIN)];
        retry(|| poll(&mut fds, PollTimeout::ZERO))?;
        Ok(fds[0].any().unwrap_or(false))
    }

    fn wait_for_output(&self, at_most: Duration) -> std::io::Result<()> {
        self.poll(None, at_most)
    }

    fn poll(&self, exited: Option<BorrowedFd<'_>>, at_most: Duration) -> std::io::Result<()> {
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(4);
        fds.extend(exited.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        fds.extend(self.stdin.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
        fds.extend(self.stdout.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.stderr.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::ZERO);
        retry(|| poll(&mut fds, timeout))
    }

    /// Moves what can be moved without waiting. A pipe that is done is dropped.
    fn move_data(&mut self) {
        if let Some(pipe) = &mut self.stdin
            && feed(pipe, &self.input, &mut self.written)
        {
            self.stdin = None;
        }
        let (end, keep) = (&mut self.end, self.limits.max_result);
        let (stdout, size) = (&mut end.stdout, &mut end.stdout_size);
        let take_out = |bytes: &[u8]| {
            *size += bytes.len();
            let room = keep.saturating_sub(stdout.len());
            stdout.extend_from_slice(&bytes[..bytes.len().min(room)]);
        };
        if self.stdout.as_mut().is_some_and(|pipe| drain(pipe, take_out)) {
            self.stdout = None;
        }
        let stderr = &mut end.stderr;
        let take_err = |bytes: &[u8]| {
            stderr.extend_from_slice(bytes);
            stderr.drain(..stderr.len().saturating_sub(KEEP_STDERR));
        };
        if self.stderr.as_mut().is_some_and(|pipe| drain(pipe, take_err)) {
            self.stderr = None;
        }
    }
}

fn retry(mut call: impl FnMut() -> nix::Result<i32>) -> std::io::Result<()> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result.map(drop).map_err(Into::into),
        }
    }
}

/// Returns whether nothing is left to write, or nobody reads it.
fn feed(pipe: &mut ChildStdin, input: &[u8], written: &mut usize) -> bool {
    while *written < input.len() {
        match pipe.write(&input[*written..]) {
            Ok(n) => *written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
    true
}

/// Takes at most a megabyte, so that a flood does not keep the supervisor from its clock.
/// Returns whether the pipe has come to its end.
fn drain(pipe: &mut impl Read, mut take: impl FnMut(&[u8])) -> bool {
    let mut buffer = [0; 16 * 1024];
    for _ in 0..64 {
        match pipe.read(&mut buffer) {
            Ok(0) => return true,
            Ok(n) => take(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
    false
}

/// A thread that waits for the exit: the pipe closes, then the status can be had.
fn watch_exit(pid: Pid) -> std::io::Result<(PipeReader, Receiver<WaitStatus>)> {
    let (exited, open) = std::io::pipe()?;
    let (tell, status) = sync_channel(1);
    std::thread::Builder::new().name("rq-rs exit".to_owned()).spawn(move || {
        let how = loop {
            match await_exit(pid) {
                Err(Errno::EINTR) => {}
                Err(_) => break WaitStatus::StillAlive,
                Ok(status) => break status,
            }
        };
        let _ = tell.send(how);
        drop(open);
    })?;
    Ok((exited, status))
}

/// Leaves the zombie, so that its process group cannot be anybody else's yet.
#[cfg(target_os = "linux")]
fn await_exit(pid: Pid) -> nix::Result<WaitStatus> {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
}

#[cfg(not(target_os = "linux"))]
fn await_exit(pid: Pid) -> nix::Result<WaitStatus> {
    nix::sys::wait::waitpid(pid, None)
}
