//! Hints: advice about an error, chosen by its variant and its text.

use super::Error;
use crate::program;

// Phrases of error texts by which the hint is chosen.
pub(crate) const NO_TIME_ZONES: &str = "there is no tzdata";
pub(super) const SILENT: &str = "it accepts connections but does not answer in time";
pub(super) const NO_REDIS: &str = "answers, but not as a Redis server does";
pub(super) const IS_SENTINEL: &str = "is a Redis Sentinel, which holds no jobs";
pub(super) const WANTS_TLS: &str = "wants TLS, and redis:// is plain";
pub(super) const NO_TLS: &str = "does not speak TLS, and rediss:// is TLS";
pub(super) const UNKNOWN_AUTHORITY: &str =
    "its certificate is signed by itself, or by an authority that this machine does not know";
pub(super) const CERTIFICATE_EXPIRED: &str = "its certificate has expired";
pub(super) const CERTIFICATE_NAME: &str = "its certificate is not for the name";
pub(super) const WANTS_CERTIFICATE: &str = "it wants a certificate of this client";
pub(super) const NO_DESCRIPTORS: &str = "this process may not open more files";

impl Error {
    /// Returns what to do about the error, as one line. The command line prints it after the error.
    pub fn hint(&self) -> Option<String> {
        let me = program::name();
        let hint = match self {
            Error::Unreachable { reason, .. } if reason.contains(NO_DESCRIPTORS) => {
                "raise the limit with `ulimit -n` or LimitNOFILE=; a worker needs about 20 and one for each queue".into()
            }
            Error::Unreachable { reason, .. } if reason.contains(SILENT) => {
                "see whether it is stopped or very busy (`redis-cli ping`, its log), or give it more time".into()
            }
            Error::Unreachable { reason, .. } if tls_hint(reason).is_some() => tls_hint(reason)?.into(),
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

/// Advice about an error of TLS.
fn tls_hint(reason: &str) -> Option<&'static str> {
    Some(match reason {
        _ if reason.contains(UNKNOWN_AUTHORITY) => {
            "give the authority with --tls-ca FILE or ?ssl_ca_certs=FILE; ?ssl_cert_reqs=none checks no certificate, which Heroku needs"
        }
        _ if reason.contains(CERTIFICATE_EXPIRED) => {
            "renew it at the server, or look at the clock of this machine"
        }
        _ if reason.contains(CERTIFICATE_NAME) => {
            "use the name that the certificate is for, or ?ssl_check_hostname=false"
        }
        _ if reason.contains(WANTS_CERTIFICATE) => {
            "give one with --tls-cert FILE and --tls-key FILE, or ?ssl_certfile=FILE&ssl_keyfile=FILE"
        }
        _ => return None,
    })
}

fn unsupported_hint(what: &str) -> &'static str {
    match what {
        _ if what.contains(NO_REDIS) => "another program listens there: check host and port",
        _ if what.contains(IS_SENTINEL) => {
            "begin the URL with redis+sentinel:// and name the service, as in redis+sentinel://HOST:PORT/SERVICE"
        }
        _ if what.contains(NO_TIME_ZONES) => {
            "install the system's package tzdata, or go on without such entries with --cron-lenient"
        }
        _ if what.contains(WANTS_TLS) => "begin the URL with rediss:// for TLS",
        _ if what.contains(NO_TLS) => "begin the URL with redis://, or give the server's TLS port",
        _ => "rq-rs needs Redis 5 or later, the dialect rq 6.2 or later, or Valkey",
    }
}

/// Names the server setting behind an error reply.
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

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn an_error_of_a_cluster_node_has_a_hint_about_clusters() {
        let replies = [
            "MOVED 866 127.0.0.1:7104",
            "ASK 866 127.0.0.1:7104",
            "CROSSSLOT Keys in request don't hash to the same slot",
            "CLUSTERDOWN Hash slot not served",
            "TRYAGAIN Multiple keys request during rehashing of slot",
        ];
        for reason in replies {
            let hint = Error::Refused { reason: reason.to_owned() }.hint();
            assert!(hint.is_some_and(|hint| hint.contains("Redis Cluster")), "{reason}");
        }
    }
}
