//! Exit codes, and errors on their way to one.

use std::process::ExitCode;

use crate::error::Error;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done as asked.
    Done = 0,
    /// It failed, or could not start.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Redis stayed away longer than the worker's budget.
    BrokerLost = 3,
    /// The worker stopped with jobs put back unfinished.
    PutBack = 4,
    /// A hangup ended it: 128 and the number of the signal, as shells count.
    Hangup = 129,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not end as asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of the library.
    Error(Error),
    /// The command line cannot be carried out: what, and a hint.
    Usage(String, String),
    /// Something else: what, and a hint.
    Other(String, String),
    /// Nobody reads our output any more, as in `rq-rs info | head -1`.
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

    /// What to tell people: what happened, and what to do.
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
