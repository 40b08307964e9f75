//! Where the server is, and how to say so without the password.

use std::fmt;
use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

use crate::error::{Error, Result};

/// A parsed Redis URL. `Display` and `Debug` never show the password.
#[derive(Clone)]
pub(crate) struct Address {
    info: ConnectionInfo,
    shown: String,
}

impl Address {
    /// `redis://[user:password@]host[:port][/db]`, `valkey://…`, or `unix:///path[?db=n]`.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        match scheme {
            "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" => {}
            "rediss" | "valkeys" => {
                return Err(Error::invalid(
                    format!("{scheme}:// needs TLS, which this build does not have"),
                    "use redis:// through a local TLS proxy such as stunnel",
                ));
            }
            _ => return Err(bad_url(url)),
        }
        check_parameters(url)?;
        let info = url.into_connection_info().map_err(|_| bad_url(url))?;
        let shown = show(&info);
        let settings: RedisConnectionInfo =
            info.redis_settings().clone().set_lib_name("rq-rs", env!("CARGO_PKG_VERSION"));
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp_settings());
        Ok(Address { info, shown })
    }

    pub(crate) fn info(&self) -> &ConnectionInfo {
        &self.info
    }
}

/// A URL that may hold a password is not repeated.
fn bad_url(url: &str) -> Error {
    let shown = if url.contains('@') || url.contains("pass") { "(not shown)" } else { url };
    let meant = match url {
        _ if url.starts_with('/') => format!("did you mean unix://{shown}? "),
        _ if !url.is_empty() && !url.contains("://") && shown == url => {
            format!("did you mean redis://{url}? ")
        }
        _ => String::new(),
    };
    Error::invalid(
        format!("the Redis URL {shown:?} cannot be read"),
        format!("{meant}As in redis://USER:PASSWORD@HOST:PORT/DB (percent-encoded) or {UNIX}"),
    )
}

const UNIX: &str = "unix:///PATH?db=0&user=USER&pass=PASSWORD";

/// The client ignores parameters it does not know; a password in one of them would be missed.
fn check_parameters(url: &str) -> Result<()> {
    let known = ["db", "user", "pass", "protocol"];
    let parameters = url.split_once('?').map_or("", |(_, rest)| rest);
    let names = parameters.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    match names.filter(|name| !name.is_empty()).find(|name| !known.contains(name)) {
        Some(name) => {
            Err(Error::invalid(format!("the Redis URL has a parameter {name:?}, which means nothing"), UNIX))
        }
        None => Ok(()),
    }
}

/// The client's defaults are slow to notice a dead peer, and delay small writes.
fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(
        TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(5)),
    );
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(Duration::from_secs(30));
    settings
}

fn show(info: &ConnectionInfo) -> String {
    let db = info.redis_settings().db();
    match info.addr() {
        ConnectionAddr::Tcp(host, port) if db == 0 => format!("{host}:{port}"),
        ConnectionAddr::Tcp(host, port) => format!("{host}:{port}/{db}"),
        ConnectionAddr::Unix(path) => path.display().to_string(),
        other => other.to_string(),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn a_password_is_never_shown() {
        let address = Address::parse("redis://ada:s3cret@localhost:6380/2").unwrap();
        assert_eq!(format!("{address} {address:?}"), "localhost:6380/2 Address(localhost:6380/2)");
        let error = Address::parse("redis://ada:s3cret@:bad:/").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }

    #[test]
    fn a_url_without_a_scheme_gets_a_hint() {
        for url in ["localhost:6379", "", "http://localhost", "rediss://localhost"] {
            assert!(Address::parse(url).unwrap_err().hint().is_some(), "{url}");
        }
    }
}
