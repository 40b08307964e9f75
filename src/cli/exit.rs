//! Exit codes of the commands, and the errors that lead to them.

use std::process::ExitCode;

use crate::error::Error;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command has succeeded.
    Done = 0,
    /// The command has failed, or could not start.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Redis was unreachable for more attempts than `--broker-max-retries`.
    BrokerLost = 3,
    /// The worker has returned unfinished jobs to their queues.
    PutBack = 4,
    /// HUP has ended the process: 128 plus the number of the signal, as in shells.
    Hangup = 129,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// An error of a command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the library.
    Error(Error),
    /// The command line, the environment or the configuration is wrong: a message and a hint.
    Usage(String, String),
    /// Any other error: a message and a hint.
    Other(String, String),
    /// The reader of our output has closed it, as in `rq-rs info | head -1`. This counts as success.
    PipeClosed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::PipeClosed,
            _ => Failure::Other(error.to_string(), "check that the output can be written".to_owned()),
        }
    }
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::PipeClosed => Exit::Done,
            Failure::Usage(..) | Failure::Error(Error::Invalid { .. }) => Exit::Usage,
            Failure::Error(Error::BrokerLost { .. }) => Exit::BrokerLost,
            Failure::Error(_) | Failure::Other(..) => Exit::Failed,
        }
    }

    /// Returns the message for people and a hint at what to do; nothing for a closed pipe.
    pub(crate) fn message_and_hint(&self) -> Option<(String, Option<String>)> {
        match self {
            Failure::PipeClosed => None,
            Failure::Error(error) => Some((error.to_string(), error.hint())),
            Failure::Usage(what, hint) | Failure::Other(what, hint) => {
                Some((what.clone(), Some(hint.clone())))
            }
        }
    }
}
