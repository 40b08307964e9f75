//! Kills the child processes of a worker that is itself killed with SIGKILL. A shell waits on a pipe from the
//! worker; the pipe closes however the worker ends, and then the shell kills the registered process groups.

use std::collections::HashSet;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Kills every process group that was registered (`+`) and not unregistered (`-`); `.` ends the shell. On
/// Linux it also kills processes with the worker's marker in their environment, such as a child that was
/// started in the moment of the worker's death. The marker is the script's first argument and is checked,
/// because an empty one would match every process.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
mark=$1
case $mark in
    RQ_RS_WORKER_PROCESS=????????????????????????????????) ;;
    *) exit 1 ;;
esac
all=' '
while read -r what group; do
    case $what in
        +) all="$all$group " ;;
        -) all="${all%% "$group" *} ${all#* "$group" }" ;;
        .) exit ;;
    esac
done
for group in $all; do kill -KILL "-$group"; done 2>/dev/null
for turn in 1 2; do
    for file in $(grep -lsF "$mark" /proc/[0-9]*/environ); do
        pid=${file#/proc/}
        kill -KILL "${pid%/environ}"
    done 2>/dev/null
    sleep 0.2
done
"#;

/// Time in which the shell has to exit.
const SHELL_EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// Environment variable of every child; its value identifies the worker.
const MARKER: &str = "RQ_RS_WORKER_PROCESS";

/// The shell of one worker. It is started with the first child process.
pub(super) struct CleanupShell {
    marker: String,
    state: Mutex<ShellState>,
}

#[derive(Default)]
struct ShellState {
    shell: Option<(Child, ChildStdin)>,
    groups: HashSet<i32>,
    has_warned: bool,
}

impl CleanupShell {
    pub(super) fn new() -> Self {
        CleanupShell { marker: uuid::Uuid::new_v4().simple().to_string(), state: Mutex::default() }
    }

    /// Name and value of the variable that every child has in its environment.
    pub(super) fn env_marker(&self) -> (&'static str, &str) {
        (MARKER, &self.marker)
    }

    /// Registers a process group: it will not outlive the worker. It must be unregistered before its leader
    /// is reaped, because afterwards another process may get the number.
    pub(super) fn register(&self, group: Pid) {
        let mut state = self.lock();
        state.groups.insert(group.as_raw());
        if state.send_line(&format!("+ {group}\n")).is_ok() {
            return;
        }
        // There is no shell yet, or it was killed.
        self.start_shell(&mut state);
    }

    /// Unregisters a process group whose leader is about to be reaped.
    pub(super) fn unregister(&self, group: Pid) {
        let mut state = self.lock();
        state.groups.remove(&group.as_raw());
        // A shell that was killed is replaced when the next child is registered.
        let _ = state.send_line(&format!("- {group}\n"));
    }

    /// Starts a shell, in the place of the current one, and registers all groups with it.
    fn start_shell(&self, state: &mut ShellState) {
        let lines: String = state.groups.iter().map(|group| format!("+ {group}\n")).collect();
        let shell = spawn_shell(&format!("{MARKER}={}", self.marker))
            .and_then(|mut shell| shell.1.write_all(lines.as_bytes()).map(|()| shell));
        match shell {
            Ok(shell) => {
                state.end_shell();
                state.shell = Some(shell);
            }
            Err(error) if !std::mem::replace(&mut state.has_warned, true) => log::warn!(
                target: "rq_rs",
                "cannot start the cleanup shell (/bin/sh): {error}; if this worker is killed with -9, its programs go on"
            ),
            Err(_) => {}
        }
    }

    /// Kills all registered groups and ends the shell, at the end of the worker.
    pub(super) fn kill_all(&self) {
        let mut state = self.lock();
        for group in state.groups.drain() {
            // The leader is not reaped yet: its group would have been unregistered.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        state.end_shell();
    }

    fn lock(&self) -> MutexGuard<'_, ShellState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShellState {
    fn send_line(&mut self, line: &str) -> std::io::Result<()> {
        match &mut self.shell {
            Some((_, pipe)) => pipe.write_all(line.as_bytes()),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }

    fn end_shell(&mut self) {
        let _ = self.send_line(".\n");
        if let Some((mut shell, pipe)) = self.shell.take() {
            drop(pipe);
            let deadline = Instant::now() + SHELL_EXIT_TIMEOUT;
            while Instant::now() < deadline && matches!(shell.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(1));
            }
            // The shell may be stopped by a signal.
            let _ = shell.kill();
            let _ = shell.wait();
        }
    }
}

fn spawn_shell(marker: &str) -> std::io::Result<(Child, ChildStdin)> {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "rq-rs cleanup", marker])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    match shell.stdin.take() {
        Some(pipe) => Ok((shell, pipe)),
        None => Err(std::io::ErrorKind::BrokenPipe.into()),
    }
}
