//! Pipes that are read and written without waiting, and how to learn of an exit.

use std::fs::File;
use std::io::{ErrorKind, PipeReader, Read, Write};
use std::sync::mpsc::{Receiver, sync_channel};

use nix::errno::Errno;
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

pub(super) fn retry_interrupted(mut call: impl FnMut() -> nix::Result<i32>) -> std::io::Result<()> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result.map(drop).map_err(Into::into),
        }
    }
}

/// Returns whether nothing is left to write, or nobody reads it.
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

/// Takes at most a megabyte, so that a flood does not keep the supervisor from its clock.
/// Returns whether the pipe has come to its end.
pub(super) fn read_some(pipe: &mut File, mut take: impl FnMut(&[u8])) -> bool {
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
pub(super) fn watch_exit(pid: Pid) -> std::io::Result<(PipeReader, Receiver<WaitStatus>)> {
    let (exited, open) = std::io::pipe()?;
    let (tell, status) = sync_channel(1);
    std::thread::Builder::new().name("rq-rs exit".to_owned()).stack_size(64 * 1024).spawn(move || {
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
