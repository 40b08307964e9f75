//! Errors of the redis crate, mapped to [`Error`].

use super::Error;
use super::hint::{IS_SENTINEL, NO_DESCRIPTORS, NO_REDIS, SILENT, WANTS_TLS};

impl Error {
    /// The error for a plain connection to a port that requires TLS.
    pub(crate) fn tls_required(address: &str) -> Self {
        Error::Unsupported { what: format!("{address} {WANTS_TLS}") }
    }

    /// The error for a connection to a Redis Sentinel.
    pub(crate) fn sentinel(address: &str) -> Self {
        Error::Unsupported { what: format!("{address} {IS_SENTINEL}") }
    }

    /// Maps an error of the redis crate: of a connection attempt, or of a command.
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

/// The error message as Redis sent it, `CODE detail`. `Display` of the redis crate hides the code.
fn server_message(error: &redis::RedisError) -> String {
    let detail = error.detail().unwrap_or_default();
    match error.code() {
        Some(code) => format!("{code} {detail}").trim_end().to_owned(),
        None => error.to_string(),
    }
}

/// The system's error behind an error of the connection, if there is one.
pub(crate) fn io_error(error: &redis::RedisError) -> Option<&std::io::Error> {
    type Shared = std::sync::Arc<dyn std::error::Error + Send + Sync>;
    let cause = std::error::Error::source(error)?.downcast_ref::<Shared>()?;
    cause.downcast_ref()
}

fn network_message(error: &redis::RedisError) -> String {
    let code = io_error(error).and_then(std::io::Error::raw_os_error);
    // ENFILE and EMFILE have these numbers on every Unix.
    if matches!(code, Some(23 | 24)) {
        NO_DESCRIPTORS.to_owned()
    } else if error.is_timeout() {
        SILENT.to_owned()
    } else {
        error.to_string().to_lowercase()
    }
}
