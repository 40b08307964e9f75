//! What becomes of child processes when their worker is killed with -9. It cannot end them then, so a
//! shell that waits on a pipe does: the pipe closes with the worker, whatever ends it.

use std::collections::HashSet;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Kills the process groups that it was told of and not told off again. Of a child that was born in the
/// moment of its worker's death it does not know yet: on Linux it is found by the mark in its environment,
/// which is the script's first argument. (An empty one would be found in every process.)
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

/// How long it may take to end.
const EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// Its mark is this variable, in the environment of every child.
const MARK: &str = "RQ_RS_WORKER_PROCESS";

/// The keeper of one worker, started with its first child.
pub(super) struct CleanupShell {
    mark: String,
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
        CleanupShell { mark: uuid::Uuid::new_v4().simple().to_string(), state: Mutex::default() }
    }

    /// What every child carries in its environment.
    pub(super) fn env_marker(&self) -> (&'static str, &str) {
        (MARK, &self.mark)
    }

    /// From now on this group does not outlive the worker. It must be told off before its leader is reaped.
    pub(super) fn register(&self, group: Pid) {
        let mut state = self.lock();
        state.groups.insert(group.as_raw());
        if state.send(&format!("+ {group}\n")).is_ok() {
            return;
        }
        // There is none yet, or somebody has killed it: the new one learns of all groups.
        let known: String = state.groups.iter().map(|group| format!("+ {group}\n")).collect();
        let shell = start(&format!("{MARK}={}", self.mark))
            .and_then(|mut shell| shell.1.write_all(known.as_bytes()).map(|()| shell));
        match shell {
            Ok(shell) => {
                state.end_shell();
                state.shell = Some(shell);
            }
            Err(error) if !std::mem::replace(&mut state.has_warned, true) => log::warn!(
                target: "rq_rs",
                "no keeper of processes (/bin/sh): {error}; should this worker be killed with -9, programs go on"
            ),
            Err(_) => {}
        }
    }

    pub(super) fn unregister(&self, group: Pid) {
        let mut state = self.lock();
        state.groups.remove(&group.as_raw());
        // One that is gone is started again by the next child.
        let _ = state.send(&format!("- {group}\n"));
    }

    /// The worker ends by itself, and its children with it, even those that were given more time.
    pub(super) fn kill_all(&self) {
        let mut state = self.lock();
        for group in state.groups.drain() {
            // Nobody has reaped its leader, or it would have been told off.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        state.end_shell();
    }

    fn lock(&self) -> MutexGuard<'_, ShellState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShellState {
    fn send(&mut self, line: &str) -> std::io::Result<()> {
        match &mut self.shell {
            Some((_, pipe)) => pipe.write_all(line.as_bytes()),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }

    fn end_shell(&mut self) {
        let _ = self.send(".\n");
        if let Some((mut shell, pipe)) = self.shell.take() {
            drop(pipe);
            let until = Instant::now() + EXIT_TIMEOUT;
            while Instant::now() < until && matches!(shell.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(1));
            }
            // Somebody may have stopped it.
            let _ = shell.kill();
            let _ = shell.wait();
        }
    }
}

fn start(mark: &str) -> std::io::Result<(Child, ChildStdin)> {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "rq-rs keeper", mark])
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
