//! Non-blocking reads and writes of pipes, and a pipe that closes when a process exits.

use std::fs::File;
use std::io::{ErrorKind, PipeReader, Read, Write};
use std::sync::mpsc::{Receiver, sync_channel};

use nix::errno::Errno;
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

/// Repeats a system call that was interrupted by a signal.
pub(super) fn retry_interrupted(mut call: impl FnMut() -> nix::Result<i32>) -> std::io::Result<()> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result.map(drop).map_err(Into::into),
        }
    }
}

/// Writes as much as the pipe accepts without waiting. Returns whether all is written, or the reader is gone.
pub(super) fn write_some(pipe: &mut File, input: &[u8], written: &mut usize) -> bool {
    while *written < input.len() {
        match pipe.write(&input[*written..]) {
            Ok(n) => *written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => *written = input.len(),
        }
    }
    true
}

/// Reads the bytes in the pipe without waiting, at most 1 MiB, so that a flood of output does not delay
/// deadlines. Returns whether the pipe is at its end.
pub(super) fn read_some(pipe: &mut File, mut on_bytes: impl FnMut(&[u8])) -> bool {
    let mut buffer = [0; 16 * 1024];
    for _ in 0..64 {
        match pipe.read(&mut buffer) {
            Ok(0) => return true,
            Ok(n) => on_bytes(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
    false
}

/// Starts a thread that waits for the exit of a process. On exit the status is sent, then the pipe closes.
pub(super) fn watch_exit(pid: Pid) -> std::io::Result<(PipeReader, Receiver<WaitStatus>)> {
    let (exited, open) = std::io::pipe()?;
    let (sender, status) = sync_channel(1);
    std::thread::Builder::new().name("rq-rs exit".to_owned()).stack_size(64 * 1024).spawn(move || {
        let exit_status = loop {
            match await_exit(pid) {
                Err(Errno::EINTR) => {}
                Err(_) => break WaitStatus::StillAlive,
                Ok(status) => break status,
            }
        };
        let _ = sender.send(exit_status);
        drop(open);
    })?;
    Ok((exited, status))
}

/// Waits without reaping. While the zombie is there, no other process can get the number of its group.
#[cfg(target_os = "linux")]
fn await_exit(pid: Pid) -> nix::Result<WaitStatus> {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
}

#[cfg(not(target_os = "linux"))]
fn await_exit(pid: Pid) -> nix::Result<WaitStatus> {
    nix::sys::wait::waitpid(pid, None)
}
