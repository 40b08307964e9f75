//! One error type. Its variants say who must act; [`Error::hint`] says what to do.

use std::fmt;
use std::time::Duration;

use crate::program;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between you and the queue.
///
/// `Display` says what happened and to what; [`hint`](Error::hint) says what to do about it.
/// No variant ever holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Redis could not be reached, or the connection broke. **Try again later.**
    Unreachable {
        /// The server, without its password.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// Redis answered, but will not do this now (loading, out of memory, read-only …).
    /// **Try again later**, or look at the server.
    Refused {
        /// Redis' own words, with its error code in front.
        reason: String,
    },
    /// Redis does not let this user in, or not do this. **Mend the URL or the ACL.**
    Denied {
        /// Redis' own words, with its error code in front.
        reason: String,
    },
    /// The server is too old, is not a Redis, or the URL asks for something not built in; or the machine has no tables
    /// of time zones.
    Unsupported {
        /// What is not supported.
        what: String,
    },
    /// **The call is wrong**: a bad id, queue name, URL, duration or arguments.
    Invalid {
        /// What is wrong, with the value.
        what: String,
        /// What would be right.
        hint: String,
    },
    /// A payload, result or name is over its limit; nothing was sent.
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A job with this id exists already; **nothing to do**, and nothing was changed.
    Duplicate {
        /// The id.
        id: String,
    },
    /// No such job: a wrong id, or its time to live has passed.
    NotFound {
        /// The id.
        id: String,
    },
    /// The job is in a state in which this cannot be done; nothing was changed.
    WrongState {
        /// The id.
        id: String,
        /// What was asked, as in "cancel".
        verb: &'static str,
        /// The state it is in.
        status: String,
    },
    /// The job that was waited for ended without a result.
    JobFailed {
        /// The id.
        id: String,
        /// Its final state: `failed`, `stopped` or `canceled`.
        status: String,
        /// The error text kept with the job.
        error: String,
    },
    /// The job that was waited for has not ended in time. It goes on.
    NotYet {
        /// The id.
        id: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The system does not let this process have what it needs. **Raise the limit.**
    SystemLimit {
        /// What is too little, with the numbers.
        what: String,
        /// How to raise it.
        hint: String,
    },
    /// What is stored cannot be read. **A person must look.**
    Corrupt {
        /// What, and why.
        what: String,
    },
    /// Every slot of the worker has a handler that ran out of time and does not stop. Start it anew.
    Stuck {
        /// Threads that run on.
        threads: usize,
    },
    /// A worker of this name lives already.
    NameTaken {
        /// The name.
        name: String,
        /// Its process, on its host.
        pid: String,
    },
    /// A cron entry is kept by Python's `rq cron`, which knows no pause; nothing was changed.
    OfPython {
        /// The entry.
        name: String,
    },
    /// No worker of this name listens to commands.
    NoWorker {
        /// The name.
        name: String,
    },
    /// Redis stayed away longer than the worker's budget of retries.
    BrokerLost {
        /// How many times in a row it was tried.
        tries: u32,
        /// The last error.
        last: String,
    },
}

impl Error {
    pub(crate) fn invalid(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Invalid { what: what.into(), hint: hint.into() }
    }

    /// Whether the same call may succeed later without anybody changing it.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Error::Unreachable { .. } | Error::Refused { .. })
    }

    /// Whether it is the server that does not do its part, whatever was asked of it.
    #[cfg(feature = "cli")]
    pub(crate) fn is_redis_error(&self) -> bool {
        matches!(self, Error::Unreachable { .. } | Error::Denied { .. } | Error::Refused { .. })
    }

    /// What to do about it, as one line; the command line prints it as its second line.
    pub fn hint(&self) -> Option<String> {
        let me = program::name();
        let hint = match self {
            Error::Unreachable { reason, .. } if reason.contains(NO_DESCRIPTORS) => {
                "raise the limit with `ulimit -n` or LimitNOFILE=; a worker needs about 20 and one for each queue".into()
            }
            Error::Unreachable { reason, .. } if reason.contains(SILENT) => {
                "see whether it is stopped or very busy (`redis-cli ping`, its log), or give it more time".into()
            }
            Error::Unreachable { .. } => {
                "start one with `redis-server`, or give another with --url or RQ_REDIS_URL".into()
            }
            Error::Refused { reason } => refusal_hint(reason)?.into(),
            Error::Denied { reason } if reason.starts_with("NOPERM") => {
                "allow it for this user with ACL SETUSER, or use another user".into()
            }
            Error::Denied { .. } => {
                "give user and password in the URL: redis://USER:PASSWORD@HOST:PORT or unix:///PATH?pass=PASSWORD".into()
            }
            Error::Unsupported { what } => unsupported_hint(what).into(),
            Error::Invalid { hint, .. } | Error::SystemLimit { hint, .. } => hint.clone(),
            Error::OfPython { .. } => "stop that program, or suspend the queue of its jobs".into(),
            Error::TooLarge { .. } => {
                "store the data elsewhere and pass where it is, or raise the limit".into()
            }
            Error::Duplicate { .. } => "use another id, or delete the job first".into(),
            Error::NotFound { .. } => {
                "check the id; a finished job is forgotten after 500 s unless its --result-ttl says otherwise".into()
            }
            Error::WrongState { id, .. } => format!("look at it with `{me} job show {id}`"),
            Error::JobFailed { id, .. } => {
                format!("look at it with `{me} job show {id}`, run it again with `{me} requeue {id}`")
            }
            Error::NotYet { id, .. } => {
                format!("is a worker running? `{me} info` shows; wait longer or ask again for {id}")
            }
            Error::Corrupt { .. } => "look at the key with redis-cli; nothing was changed".into(),
            Error::NoWorker { .. } => format!("`{me} info` shows the names of workers"),
            Error::NameTaken { .. } => "choose another name, or leave it out for a random one".into(),
            Error::Stuck { .. } => {
                "start it again with --isolate, or let handlers ask Context::is_canceled"
                    .into()
            }
            Error::BrokerLost { .. } => {
                "bring Redis back and start the worker again; --broker-max-retries 0 tries for ever".into()
            }
        };
        Some(hint)
    }
}

/// Of a machine without the tables of the world's time zones.
pub(crate) const NO_TIME_ZONES: &str = "there is no tzdata";
const SILENT: &str = "it accepts connections but does not answer in time";
const NO_REDIS: &str = "answers, but not as a Redis server does";
const IS_SENTINEL: &str = "is a Redis Sentinel, which holds no jobs";
const WANTS_TLS: &str = "wants TLS, and redis:// is plain";
const NO_DESCRIPTORS: &str = "this process may not open more files";

fn unsupported_hint(what: &str) -> &'static str {
    match what {
        _ if what.contains(NO_REDIS) => "another program listens there: check host and port",
        _ if what.contains(IS_SENTINEL) => {
            "give the address of the primary: `redis-cli -p PORT sentinel get-master-addr-by-name NAME` tells it"
        }
        _ if what.contains(NO_TIME_ZONES) => {
            "install the system's package tzdata, or go on without such entries with --cron-lenient"
        }
        _ if what.contains(WANTS_TLS) => "use the server's plain port, or a local TLS proxy such as stunnel",
        _ => "rq-rs needs Redis 5 or later, the dialect rq 6.2 or later, or Valkey",
    }
}

/// The setting behind a refusal of the server.
fn refusal_hint(reason: &str) -> Option<&'static str> {
    let code = reason.split(' ').next().unwrap_or_default();
    Some(match code {
        "OOM" => "Redis is full: raise `maxmemory`, or empty what is not needed",
        "MISCONF" => "Redis cannot save to disk: see its log, `dir` and `stop-writes-on-bgsave-error`",
        "READONLY" | "MASTERDOWN" => "this is a replica: point the URL at the primary",
        "LOADING" => "Redis is loading its data: try again when it is done",
        "BUSY" => "a script blocks Redis: see SCRIPT KILL",
        "NOREPLICAS" => "too few replicas: see `min-replicas-to-write`",
        "WRONGTYPE" => "another program uses this key: choose another --prefix",
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" | "TRYAGAIN" => {
            "this is a node of a Redis Cluster, which rq-rs cannot use yet: give a Redis that is not clustered"
        }
        "DENIED" => "Redis is in protected mode: give it a password, or connect from its own machine",
        "ERR" if reason.contains("max number of clients") => {
            "raise `maxclients` of Redis, or let the programs that use it hold fewer connections"
        }
        _ => return None,
    })
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

impl Error {
    /// A plain connection to a port that wants TLS.
    pub(crate) fn tls_required(address: &str) -> Self {
        Error::Unsupported { what: format!("{address} {WANTS_TLS}") }
    }

    /// A connection to a server that only tells where others are.
    pub(crate) fn sentinel(address: &str) -> Self {
        Error::Unsupported { what: format!("{address} {IS_SENTINEL}") }
    }

    /// Whether the server does not know a command.
    pub(crate) fn is_unknown_command(&self) -> bool {
        matches!(self, Error::Refused { reason } if reason.starts_with("ERR unknown command"))
    }

    /// What a failed connection attempt, or a failed command, means to us.
    pub(crate) fn from_redis(address: &str, error: &redis::RedisError) -> Self {
        use redis::{ErrorKind, ServerErrorKind};
        match error.kind() {
            ErrorKind::Io => {
                Error::Unreachable { address: address.to_owned(), reason: network_message(error) }
            }
            ErrorKind::AuthenticationFailed => Error::Denied {
                reason: format!("WRONGPASS {}", error.detail().unwrap_or("wrong user or password")),
            },
            ErrorKind::Server(ServerErrorKind::NoPerm) => Error::Denied { reason: server_message(error) },
            ErrorKind::Parse | ErrorKind::Client | ErrorKind::UnexpectedReturnType => {
                Error::Unsupported { what: format!("{address} {NO_REDIS}") }
            }
            ErrorKind::InvalidClientConfig => Error::invalid(
                format!("the Redis URL cannot be used: {error}"),
                "as in redis://USER:PASSWORD@HOST:PORT/DB or unix:///PATH",
            ),
            _ => match error.code() {
                Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Error::Denied { reason: server_message(error) },
                _ => Error::Refused { reason: server_message(error) },
            },
        }
    }
}

/// `CODE detail`, as on the wire. (The client's own `Display` hides the code.)
fn server_message(error: &redis::RedisError) -> String {
    let detail = error.detail().unwrap_or_default();
    match error.code() {
        Some(code) => format!("{code} {detail}").trim_end().to_owned(),
        None => error.to_string(),
    }
}

/// What the system said, when that is the cause.
pub(crate) fn io_error(error: &redis::RedisError) -> Option<&std::io::Error> {
    type Shared = std::sync::Arc<dyn std::error::Error + Send + Sync>;
    let cause = std::error::Error::source(error)?.downcast_ref::<Shared>()?;
    cause.downcast_ref()
}

fn network_message(error: &redis::RedisError) -> String {
    let code = io_error(error).and_then(std::io::Error::raw_os_error);
    // EMFILE and ENFILE have these numbers on every Unix.
    if matches!(code, Some(23 | 24)) {
        NO_DESCRIPTORS.to_owned()
    } else if error.is_timeout() {
        SILENT.to_owned()
    } else {
        error.to_string().to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn what_a_node_of_a_cluster_answers_is_told_as_that() {
        let answers = [
            "MOVED 866 127.0.0.1:7104",
            "ASK 866 127.0.0.1:7104",
            "CROSSSLOT Keys in request don't hash to the same slot",
            "CLUSTERDOWN Hash slot not served",
            "TRYAGAIN Multiple keys request during rehashing of slot",
        ];
        for reason in answers {
            let hint = Error::Refused { reason: reason.to_owned() }.hint();
            assert!(hint.is_some_and(|hint| hint.contains("Redis Cluster")), "{reason}");
        }
    }
}
