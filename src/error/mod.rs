//! The error of all functions of this crate. Each variant stands for who must act; [`Error::hint`] says what to do.

mod hint;
mod redis_error;
#[cfg(feature = "tls")]
mod tls_error;

use std::fmt;
use std::time::Duration;

#[cfg(feature = "cron")]
pub(crate) use hint::NO_TIME_ZONES;
pub(crate) use redis_error::{io_error, is_from_replica};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate.
///
/// `Display` says what happened, and to which job, queue or server; [`hint`](Error::hint) says what to do about it.
/// No variant ever holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Redis could not be reached, or the connection broke. **Try again later.**
    Unreachable {
        /// Address of the server, without its password.
        address: String,
        /// Error of the network or the system.
        reason: String,
    },
    /// Redis replied with an error that may pass: it is loading, out of memory, read-only, …
    /// **Try again later**, or look after the server.
    Refused {
        /// Redis' error message, with its error code in front.
        reason: String,
    },
    /// Redis refused the login, or the user may not run this command. **Correct the URL or the ACL.**
    Denied {
        /// Redis' error message, with its error code in front.
        reason: String,
    },
    /// The server is too old or is not a Redis server, the URL asks for a feature that is not built in, or this
    /// machine has no time zone database.
    Unsupported {
        /// The unsupported server, feature or database.
        what: String,
    },
    /// A value in the call is not valid: an id, a queue name, a URL, a duration, arguments. **Correct the call.**
    Invalid {
        /// Description of the mistake, with the value.
        what: String,
        /// Description of a valid value.
        hint: String,
    },
    /// A payload, result or name is over its limit. Nothing was sent.
    TooLarge {
        /// Name of the value that is too large.
        what: String,
        /// Size of the value in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A job with the chosen id exists already. Nothing was changed.
    Duplicate {
        /// Id of the job.
        id: String,
    },
    /// There is no job with this id: the id is wrong, or the record has expired or was deleted.
    NotFound {
        /// The id.
        id: String,
    },
    /// The status of the job does not allow this action. Nothing was changed.
    WrongState {
        /// Id of the job.
        id: String,
        /// The action, such as `cancel`.
        verb: &'static str,
        /// Status of the job.
        status: String,
    },
    /// The job that was waited for has ended without a result.
    JobFailed {
        /// Id of the job.
        id: String,
        /// Status of the job: `failed`, `stopped` or `canceled`.
        status: String,
        /// Error text of the job (`exc_info`).
        error: String,
    },
    /// The job that was waited for has not ended in time. It goes on.
    NotYet {
        /// Id of the job.
        id: String,
        /// Time that the call has waited.
        waited: Duration,
    },
    /// A limit of the system is too low for this process. **Raise the limit.**
    SystemLimit {
        /// The limit, with the numbers.
        what: String,
        /// Advice how to raise the limit.
        hint: String,
    },
    /// Data in Redis cannot be read. **Inspect the key.**
    Corrupt {
        /// The unreadable data, and the reason.
        what: String,
    },
    /// A handler that exceeded its timeout and does not stop occupies each slot of the worker. **Restart the
    /// worker.**
    Stuck {
        /// Number of threads that still run such a handler.
        threads: usize,
    },
    /// A live worker has this name already. **Choose another name.**
    NameTaken {
        /// Name of the worker.
        name: String,
        /// Process id of the other worker, on its host.
        pid: String,
    },
    /// The cron entry belongs to Python's `rq cron`, which cannot pause entries. Nothing was changed.
    OfPython {
        /// Name of the entry.
        name: String,
    },
    /// No worker of this name listens to commands.
    NoWorker {
        /// Name of the worker.
        name: String,
    },
    /// Redis was unreachable for more attempts than the worker's limit allows. **Bring Redis back and restart the
    /// worker.**
    BrokerLost {
        /// Number of consecutive failed attempts.
        tries: u32,
        /// The last error.
        last: String,
    },
}

impl Error {
    pub(crate) fn invalid(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Invalid { what: what.into(), hint: hint.into() }
    }

    /// The error for a command without a reply.
    #[cfg(feature = "worker")]
    pub(crate) fn missing_reply() -> Self {
        Error::Corrupt { what: "an empty reply of Redis".to_owned() }
    }

    /// Returns whether the same call may succeed later although nobody changes it.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Error::Unreachable { .. } | Error::Refused { .. })
    }

    /// Returns whether the error is the server's, whatever the command was.
    #[cfg(feature = "cli")]
    pub(crate) fn is_redis_error(&self) -> bool {
        matches!(self, Error::Unreachable { .. } | Error::Denied { .. } | Error::Refused { .. })
    }

    pub(crate) fn is_unknown_command(&self) -> bool {
        matches!(self, Error::Refused { reason } if reason.starts_with("ERR unknown command"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unreachable { address, reason } => {
                write!(f, "cannot reach Redis at {address}: {reason}")
            }
            Error::Refused { reason } => write!(f, "Redis refused: {reason}"),
            Error::Denied { reason } => write!(f, "Redis denied access: {reason}"),
            Error::Unsupported { what } => write!(f, "not supported: {what}"),
            Error::Invalid { what, .. } | Error::SystemLimit { what, .. } => f.write_str(what),
            Error::OfPython { name } => {
                write!(f, "{name:?} is kept by Python's `rq cron`, which knows no pause")
            }
            Error::TooLarge { what, size, limit } => {
                write!(f, "{what} is {size} bytes, over the limit of {limit}")
            }
            Error::Duplicate { id } => write!(f, "a job with id {id} exists already"),
            Error::NotFound { id } => write!(f, "no job with id {id}"),
            Error::WrongState { id, verb, status } => write!(f, "cannot {verb} job {id}: it is {status}"),
            Error::JobFailed { id, status, error } => write!(f, "job {id} {status}: {error}"),
            Error::NotYet { id, waited } => {
                write!(f, "job {id} has not ended after {} s", waited.as_secs_f64())
            }
            Error::Corrupt { what } => write!(f, "cannot read {what}"),
            Error::NoWorker { name } => write!(f, "no worker named {name:?} listens"),
            Error::NameTaken { name, pid } => {
                write!(f, "a worker named {name} is running already (pid {pid})")
            }
            Error::Stuck { threads } => {
                write!(f, "no slot is left: {threads} threads run on past the time of their jobs")
            }
            Error::BrokerLost { tries, last } => {
                write!(f, "gave up on Redis after {tries} tries: {last}")
            }
        }
    }
}

impl std::error::Error for Error {}
