//! Redis URLs: parsing, and display without the password.

use std::fmt;
use std::time::Duration;

use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::parameters::Parameters;
use super::sentinel::Sentinels;
use super::sentinel_url::{self, SentinelSettings, SentinelUrl, sentinel_scheme};
#[cfg(feature = "tls")]
use super::tls::{self, TlsSettings};
use crate::error::{Error, Result};

/// A parsed Redis URL. `Display` and `Debug` never show the password.
#[derive(Clone)]
pub(crate) struct Address {
    info: ConnectionInfo,
    display: String,
    /// The sentinels that know the host, if there are any. `info` has no host then.
    sentinels: Option<SentinelSettings>,
    #[cfg(feature = "tls")]
    tls: TlsSettings,
}

impl Address {
    /// Parses `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS, `valkey://…`, `valkeys://…` or
    /// `unix:///path`. The parameters `db`, `user` (or `username`) and `pass` (or `password`) override the other parts,
    /// as in Python's client; those that begin with `ssl_` are about TLS.
    ///
    /// `more` are parameters that are added to those of the URL. The last one of a name counts.
    pub(crate) fn parse(url: &str, more: &[(&str, &str)]) -> Result<Self> {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        if let Some(is_tls) = sentinel_scheme(scheme) {
            return Self::parse_sentinel(url, is_tls, more);
        }
        check_scheme(url, scheme)?;
        let mut parsed = redis::parse_redis_url(url).ok_or_else(|| bad_url(url))?;
        let parameters: Vec<(String, String)> =
            parsed.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        parsed.set_query(None);
        let info = parsed.into_connection_info().map_err(|_| bad_url(url))?;
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let mut applied = Parameters::new(settings, matches!(info.addr(), ConnectionAddr::TcpTls { .. }));
        let own = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(more.iter().copied()) {
            applied.apply(name, value)?;
        }
        #[cfg(feature = "worker")]
        for name in &applied.ignored {
            log::debug!(target: "rq_rs", "the parameter {name} of the Redis URL changes nothing here");
        }
        let info = info.set_redis_settings(applied.settings).set_tcp_settings(tcp_settings());
        let display = display(&info);
        Ok(Address {
            info,
            display,
            sentinels: None,
            #[cfg(feature = "tls")]
            tls: applied.tls,
        })
    }

    fn parse_sentinel(url: &str, is_tls: bool, more: &[(&str, &str)]) -> Result<Self> {
        let SentinelUrl { sentinels, node_url, parameters } = sentinel_url::split(url, is_tls)?;
        let own = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut address = Self::parse(&node_url, &own.chain(more.iter().copied()).collect::<Vec<_>>())?;
        let hosts: Vec<String> =
            sentinels.hosts.iter().map(|(host, port)| host_and_port(host, *port)).collect();
        let database = match address.info.redis_settings().db() {
            0 => String::new(),
            database => format!("/{database}"),
        };
        address.display = format!("{}{database} of the sentinels {}", sentinels.service, hosts.join(", "));
        address.sentinels = Some(sentinels);
        Ok(address)
    }

    /// Creates a client, which does not connect yet.
    pub(super) fn open_client(&self) -> Result<Client> {
        #[cfg(feature = "tls")]
        if matches!(self.info.addr(), ConnectionAddr::TcpTls { .. }) {
            return tls::open_client(&self.info, &self.tls);
        }
        Client::open(self.info.clone()).map_err(|error| Error::from_redis(&self.display, &error))
    }

    /// Creates the clients of the sentinels, if there are any. `client` is that of [`open_client`](Self::open_client).
    pub(super) fn open_sentinels(&self, client: &Client) -> Result<Option<Sentinels>> {
        let open = |settings| Sentinels::new(settings, client.get_connection_info());
        self.sentinels
            .as_ref()
            .map(open)
            .transpose()
            .map_err(|error| Error::from_redis(&self.display, &error))
    }

    pub(crate) fn info(&self) -> &ConnectionInfo {
        &self.info
    }
}

fn check_scheme(url: &str, scheme: &str) -> Result<()> {
    match scheme {
        "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" => Ok(()),
        "rediss" | "valkeys" if cfg!(feature = "tls") => Ok(()),
        scheme @ ("rediss" | "valkeys") => Err(Error::invalid(
            format!("{scheme}:// needs TLS, which this build does not have"),
            "build rq-rs with its feature tls: cargo install --path . --features tls",
        )),
        _ => Err(bad_url(url)),
    }
}

/// The error for a URL that cannot be parsed. A URL that may hold a password is not shown.
fn bad_url(url: &str) -> Error {
    let shown_url = if url.contains('@') || url.contains("pass") { "(not shown)" } else { url };
    let suggestion = match url {
        _ if url.starts_with('/') => format!("did you mean unix://{shown_url}? "),
        _ if !url.is_empty() && !url.contains("://") && shown_url == url => {
            format!("did you mean redis://{url}? ")
        }
        _ => String::new(),
    };
    Error::invalid(
        format!("the Redis URL {shown_url:?} cannot be read"),
        format!("{suggestion}As in redis://USER:PASSWORD@HOST:PORT/DB (percent-encoded) or {UNIX_EXAMPLE}"),
    )
}

const UNIX_EXAMPLE: &str = "unix:///PATH?db=0&user=USER&pass=PASSWORD";

/// TCP settings that notice a dead peer within half a minute and do not delay small writes.
fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(
        TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(5)),
    );
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(Duration::from_secs(30));
    settings
}

fn display(info: &ConnectionInfo) -> String {
    let db = info.redis_settings().db();
    match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            let address = host_and_port(host, *port);
            if db == 0 { address } else { format!("{address}/{db}") }
        }
        ConnectionAddr::Unix(path) => path.display().to_string(),
        other => other.to_string(),
    }
}

fn host_and_port(host: &str, port: u16) -> String {
    // An IPv6 address has colons of its own.
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.display)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn a_password_is_never_shown() {
        let address = Address::parse("redis://ada:s3cret@localhost:6380/2", &[]).unwrap();
        assert_eq!(format!("{address} {address:?}"), "localhost:6380/2 Address(localhost:6380/2)");
        let error = Address::parse("redis://ada:s3cret@:bad:/", &[]).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }

    #[test]
    fn parameters_mean_the_same_in_every_scheme_and_win() {
        for base in ["redis://h:6380", "redis://u:p@h:6380/7", "valkey://h:6380/", "unix:///tmp/s"] {
            for (user, pass) in [("user", "pass"), ("username", "password")] {
                let url = format!("{base}?db=3&{user}=ada&{pass}=a%40b&protocol=3");
                let address = Address::parse(&url, &[]).unwrap();
                let settings = address.info().redis_settings();
                assert_eq!(settings.db(), 3, "{url}");
                assert_eq!((settings.username(), settings.password()), (Some("ada"), Some("a@b")), "{url}");
                assert_eq!(settings.protocol(), redis::ProtocolVersion::RESP2, "{url}");
                assert!(!format!("{address:?}").contains("a@b"));
            }
        }
        assert_eq!(Address::parse("redis://h/7", &[]).unwrap().to_string(), "h:6379/7");
    }

    #[test]
    fn unknown_parameters_are_refused_by_name() {
        for (parameter, name) in
            [("db=x", "db"), ("db=-1", "db"), ("protocol=4", "protocol"), ("databse=5", "databse")]
        {
            for base in ["redis://h", "unix:///tmp/s"] {
                let error = Address::parse(&format!("{base}?{parameter}"), &[]).unwrap_err();
                assert!(error.to_string().contains(name) && error.hint().is_some(), "{error}");
            }
        }
    }

    #[test]
    fn a_url_without_a_scheme_gets_a_hint() {
        for url in ["localhost:6379", "", "http://localhost", "rediss://localhost"] {
            assert!(Address::parse(url, &[]).unwrap_err().hint().is_some(), "{url}");
        }
    }
}
