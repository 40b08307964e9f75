//! Errors of the redis crate, mapped to [`Error`].

use super::Error;
use super::hint::{IS_SENTINEL, NO_DESCRIPTORS, NO_REDIS, NO_TLS, SILENT, WANTS_TLS};

impl Error {
    /// The error for a plain connection to a port that requires TLS.
    pub(crate) fn tls_required(address: &str) -> Self {
        Error::Unsupported { what: format!("{address} {WANTS_TLS}") }
    }

    /// The error for a TLS connection to a plain port.
    pub(crate) fn speaks_plain(address: &str) -> Self {
        Error::Unsupported { what: format!("{address} {NO_TLS}") }
    }

    /// The error for a connection to a Redis Sentinel.
    pub(crate) fn sentinel(address: &str) -> Self {
        Error::Unsupported { what: format!("{address} {IS_SENTINEL}") }
    }

    /// Maps an error of the redis crate: of a connection attempt, or of a command.
    pub(crate) fn from_redis(address: &str, error: &redis::RedisError) -> Self {
        use redis::ErrorKind;
        match error.kind() {
            ErrorKind::Io => {
                Error::Unreachable { address: address.to_owned(), reason: network_message(error) }
            }
            ErrorKind::AuthenticationFailed => Error::Denied {
                reason: format!("WRONGPASS {}", error.detail().unwrap_or("wrong user or password")),
            },
            ErrorKind::Parse | ErrorKind::Client | ErrorKind::UnexpectedReturnType => {
                Error::Unsupported { what: format!("{address} {NO_REDIS}") }
            }
            ErrorKind::InvalidClientConfig => Error::invalid(
                format!("the Redis URL cannot be used: {error}"),
                "as in redis://USER:PASSWORD@HOST:PORT/DB or unix:///PATH",
            ),
            _ => {
                let reason = server_message(error);
                match first_word(&reason) {
                    "NOAUTH" | "WRONGPASS" | "NOPERM" => Error::Denied { reason },
                    _ => Error::Refused { reason },
                }
            }
        }
    }
}

/// Returns whether the error is the server's and shows that it has become a replica, also if a script met it.
pub(crate) fn is_from_replica(error: &redis::RedisError) -> bool {
    matches!(first_word(&server_message(error)), "READONLY" | "MASTERDOWN")
}

/// The error message as Redis sent it, `CODE detail`. `Display` of the redis crate hides the code.
fn server_message(error: &redis::RedisError) -> String {
    let detail = error.detail().unwrap_or_default();
    let message = match error.code() {
        Some(code) => format!("{code} {detail}").trim_end().to_owned(),
        None => error.to_string(),
    };
    message_of_script(&message).unwrap_or(message)
}

/// The error that ended a script, with its code in front; `None` for any other message. Before Redis 7 the code comes
/// behind "ERR Error running script" and the positions in the script. A command that the ACL denies to a script has no
/// code in any version.
fn message_of_script(message: &str) -> Option<String> {
    if let Some((_, denial)) = message.split_once("ACL failure in script: ") {
        return Some(format!("NOPERM {denial}"));
    }
    if let Some(at) = message.find("The user executing the script can't run") {
        return Some(format!("NOPERM {}", &message[at..]));
    }
    let (_, mut rest) = message.strip_prefix("ERR Error running script")?.split_once("): ")?;
    while let Some((line, after)) = rest.strip_prefix("@user_script:").and_then(|rest| rest.split_once(": "))
    {
        let is_position = line.trim().bytes().all(|byte| byte.is_ascii_digit());
        rest = if is_position { after } else { return None };
    }
    let rest = rest.trim_start_matches('-');
    let is_code = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code(first_word(rest)).then(|| rest.to_owned())
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
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
        tls_message(error).unwrap_or_else(|| error.to_string().to_lowercase())
    }
}

#[cfg(feature = "tls")]
fn tls_message(error: &redis::RedisError) -> Option<String> {
    super::tls_error::tls_message(io_error(error)?)
}

#[cfg(not(feature = "tls"))]
fn tls_message(_: &redis::RedisError) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::message_of_script;

    #[test]
    fn the_code_of_an_error_in_a_script_is_found_behind_the_words_of_old_servers() {
        let before = "ERR Error running script (call to f_c14114): @user_script:14: ";
        for (rest, message) in [
            (
                "@user_script: 14: -OOM command not allowed when used memory > 'maxmemory'.",
                "OOM command not allowed when used memory > 'maxmemory'.",
            ),
            (
                "@user_script: 14: -READONLY You can't write against a read only replica.",
                "READONLY You can't write against a read only replica.",
            ),
            (
                "-NOREPLICAS Not enough good replicas to write.",
                "NOREPLICAS Not enough good replicas to write.",
            ),
            ("WRONGTYPE Operation against a key", "WRONGTYPE Operation against a key"),
        ] {
            assert_eq!(message_of_script(&format!("{before}{rest}")).as_deref(), Some(message));
        }
        for other in [
            format!("{before}attempt to index a nil value"),
            "OOM command not allowed".to_owned(),
            before.to_owned(),
        ] {
            assert_eq!(message_of_script(&other), None, "{other}");
        }
    }

    #[test]
    fn a_command_that_is_denied_to_a_script_is_denied() {
        for message in [
            "ERR ACL failure in script: User default has no permissions to run the 'hset' command",
            "ERR The user executing the script can't run this command or subcommand script: f_1, on @user_script:2.",
            "ERR Error running script (call to f_1): @user_script:14: @user_script: 14: \
             The user executing the script can't run this command or subcommand",
        ] {
            let message = message_of_script(message).unwrap_or_default();
            assert!(message.starts_with("NOPERM "), "{message}");
        }
    }
}
