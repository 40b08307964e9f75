//! The parameters of a Redis URL, behind its `?`. Those of Python's client that change something mean the same here.

use redis::RedisConnectionInfo;

#[cfg(feature = "tls")]
use super::tls::{TlsSettings, Verification};
use crate::error::{Error, Result};

/// Parameters of other clients that change nothing here.
const IGNORED: [&str; 16] = [
    "client_name",
    "decode_responses",
    "encoding",
    "encoding_errors",
    "health_check_interval",
    "lib_name",
    "lib_version",
    "max_connections",
    "retry_on_timeout",
    "single_connection_client",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_read_size",
    "socket_timeout",
    "timeout",
    "virtual_host",
];

/// The settings that the parameters of a URL make.
pub(super) struct Parameters {
    pub(super) settings: RedisConnectionInfo,
    #[cfg(feature = "tls")]
    pub(super) tls: TlsSettings,
    /// Names of the parameters that were passed over.
    pub(super) ignored: Vec<String>,
    is_tls: bool,
}

impl Parameters {
    /// `settings` is what the other parts of the URL say; parameters win.
    pub(super) fn new(settings: RedisConnectionInfo, is_tls: bool) -> Self {
        Parameters {
            settings,
            #[cfg(feature = "tls")]
            tls: TlsSettings::default(),
            ignored: Vec::new(),
            is_tls,
        }
    }

    /// Applies a parameter. An unknown one is refused: it might be a misspelled password or database.
    pub(super) fn apply(&mut self, name: &str, value: &str) -> Result<()> {
        let settings = self.settings.clone();
        match name {
            "db" => self.settings = settings.set_db(parse_database(value)?),
            "user" | "username" => self.settings = settings.set_username(value),
            "pass" | "password" => self.settings = settings.set_password(value),
            // This client uses RESP2, which every server has.
            "protocol" if matches!(value, "2" | "3" | "resp2" | "resp3") => {}
            "protocol" => {
                let what = format!("the Redis URL has protocol={value}, which does not exist");
                return Err(Error::invalid(what, "leave it out"));
            }
            "" => {}
            _ if IGNORED.contains(&name) => self.ignored.push(name.to_owned()),
            _ if name.starts_with("ssl_") => self.apply_tls(name, value)?,
            _ => return Err(self.unknown(name)),
        }
        Ok(())
    }

    fn apply_tls(&mut self, name: &str, value: &str) -> Result<()> {
        if !self.is_tls {
            let what = format!("the Redis URL has the parameter {name:?}, but no TLS");
            return Err(Error::invalid(
                what,
                "begin the URL with rediss:// for TLS, or leave the parameter out",
            ));
        }
        self.apply_tls_setting(name, value)
    }

    #[cfg(not(feature = "tls"))]
    fn apply_tls_setting(&self, name: &str, _: &str) -> Result<()> {
        Err(self.unknown(name))
    }

    #[cfg(feature = "tls")]
    fn apply_tls_setting(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = |choices: &str| {
            Error::invalid(format!("the Redis URL has {name}={value}, which means nothing"), choices)
        };
        let lower = value.to_ascii_lowercase();
        match name {
            // Celery writes CERT_NONE and CERT_REQUIRED.
            "ssl_cert_reqs" => match lower.trim_start_matches("cert_") {
                "none" => self.tls.verification = Verification::Nothing,
                "required" | "optional" => {}
                _ => {
                    return Err(wrong(
                        "ssl_cert_reqs=required checks the server's certificate, none does not",
                    ));
                }
            },
            "ssl_check_hostname" => match lower.as_str() {
                "false" | "0" | "no" if self.tls.verification == Verification::Full => {
                    self.tls.verification = Verification::WithoutHostname;
                }
                "false" | "0" | "no" | "true" | "1" | "yes" => {}
                _ => return Err(wrong("true or false")),
            },
            "ssl_ca_certs" => self.tls.ca_file = Some(value.into()),
            "ssl_certfile" => self.tls.cert_file = Some(value.into()),
            "ssl_keyfile" => self.tls.key_file = Some(value.into()),
            _ => return Err(self.unknown(name)),
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> Error {
        let known = match self.is_tls {
            true => {
                "known are db, user, pass, ssl_cert_reqs, ssl_check_hostname, ssl_ca_certs, ssl_certfile and ssl_keyfile"
            }
            false => {
                "known are db, user, pass and protocol, as in redis://HOST:PORT?db=0&user=USER&pass=PASSWORD"
            }
        };
        Error::invalid(format!("the Redis URL has a parameter {name:?}, which means nothing"), known)
    }
}

fn parse_database(value: &str) -> Result<i64> {
    value.parse::<i64>().ok().filter(|database| *database >= 0).ok_or_else(|| {
        Error::invalid(format!("the Redis URL has db={value}, which is not a number"), "as in ?db=0")
    })
}
