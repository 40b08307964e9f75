//! Starts a child process that is connected to its worker by pipes or by a socket.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use super::spawn::spawn_unmasked;

/// The connection of a worker to a child process.
#[derive(Clone, Copy)]
pub(super) enum Transport {
    /// Job and response over standard input and output; standard error is the log.
    Pipes,
    /// Job and response over a socket in the place of standard input; standard output and error are the log.
    Socket,
}

/// Starts the process and returns the worker's ends of its input, output and log.
pub(super) fn spawn_connected(
    mut command: Command,
    transport: Transport,
) -> std::io::Result<(Child, [Option<OwnedFd>; 3])> {
    match transport {
        Transport::Pipes => {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = spawn_unmasked(&mut command)?;
            let ends = [
                child.stdin.take().map(OwnedFd::from),
                child.stdout.take().map(OwnedFd::from),
                child.stderr.take().map(OwnedFd::from),
            ];
            Ok((child, ends))
        }
        Transport::Socket => {
            let (socket, theirs) = UnixStream::pair()?;
            let (log, writer) = std::io::pipe()?;
            command.stdin(OwnedFd::from(theirs)).stdout(writer.try_clone()?).stderr(writer);
            let ends: [OwnedFd; 3] = [socket.try_clone()?.into(), socket.into(), log.into()];
            // The return drops the command, and with it the child's ends, which would stay open here.
            Ok((spawn_unmasked(&mut command)?, ends.map(Some)))
        }
    }
}
