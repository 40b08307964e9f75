//! URLs of Sentinel: `redis+sentinel://[user:password@]host[:port],host[:port]…/SERVICE[/DB]`.

use crate::error::{Error, Result};

/// Port of a sentinel whose URL names none.
const DEFAULT_PORT: u16 = 26379;
const EXAMPLE: &str =
    "as in redis+sentinel://USER:PASSWORD@HOST:26379,HOST:26379/SERVICE/DB?sentinel_password=PASSWORD";

/// The sentinels of a URL, and the service that they watch.
#[derive(Clone)]
pub(super) struct SentinelSettings {
    /// Host and port of each.
    pub(super) hosts: Vec<(String, u16)>,
    /// The name by which the sentinels know the primary.
    pub(super) service: String,
    /// User and password of the sentinels themselves; those of the URL are Redis'.
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) is_tls: bool,
}

/// Returns whether the scheme is one of Sentinel's, and whether it is with TLS.
pub(super) fn sentinel_scheme(scheme: &str) -> Option<bool> {
    match scheme {
        "redis+sentinel" | "redis-sentinel" | "valkey+sentinel" => Some(false),
        "rediss+sentinel" | "rediss-sentinel" | "valkeys+sentinel" => Some(true),
        _ => None,
    }
}

/// A URL of Sentinel in parts.
pub(super) struct SentinelUrl {
    pub(super) sentinels: SentinelSettings,
    /// The URL of Redis, with a host that stands for the primary, and without parameters.
    pub(super) node_url: String,
    /// The parameters that are not about the sentinels.
    pub(super) parameters: Vec<(String, String)>,
}

/// Splits a URL of Sentinel. An error shows no part of a URL that may hold a password.
pub(super) fn split(url: &str, is_tls: bool) -> Result<SentinelUrl> {
    let shows_host = !url.contains('@') && !url.contains("pass");
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) =
        authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
    let path = path.trim_end_matches('/');
    let (mut service, mut database) = path.split_once('/').unwrap_or((path, ""));
    let mut parameters = decode(query)?;
    // asynq's spelling: the path is the database then.
    let master = parameters.extract_if(.., |(name, _)| name == "master").last().map(|(_, value)| value);
    if let Some(master) = &master {
        (service, database) = (master, if database.is_empty() { service } else { database });
    }
    if service.is_empty() {
        return Err(Error::invalid("the URL of Sentinel names no service", EXAMPLE));
    }
    let hosts = hosts.split(',').map(|host| parse_host(host, shows_host)).collect::<Result<_>>()?;
    let mut sentinels =
        SentinelSettings { hosts, service: service.to_owned(), username: None, password: None, is_tls };
    for (name, value) in parameters.extract_if(.., |(name, _)| name.starts_with("sentinel_")) {
        sentinels.apply(&name, value, is_tls)?;
    }
    let (scheme, user) = (if is_tls { "rediss" } else { "redis" }, user.map(|user| format!("{user}@")));
    let node_url = format!("{scheme}://{}primary:6379/{database}", user.unwrap_or_default());
    Ok(SentinelUrl { sentinels, node_url, parameters })
}

impl SentinelSettings {
    fn apply(&mut self, name: &str, value: String, is_tls: bool) -> Result<()> {
        match (name, value.as_str()) {
            ("sentinel_username", _) => self.username = Some(value),
            ("sentinel_password", _) => self.password = Some(value),
            ("sentinel_tls", "false" | "0" | "no") => self.is_tls = false,
            ("sentinel_tls", "true" | "1" | "yes") if is_tls => {}
            ("sentinel_tls", "true" | "1" | "yes") => {
                let what = "the URL of Sentinel has sentinel_tls=true, but Redis itself is without TLS";
                return Err(Error::invalid(what, "begin the URL with rediss+sentinel://"));
            }
            ("sentinel_tls", _) => {
                let what = format!("the URL of Sentinel has sentinel_tls={value}, which means nothing");
                return Err(Error::invalid(what, "true or false"));
            }
            _ => {
                let what = format!("the URL of Sentinel has a parameter {name:?}, which means nothing");
                return Err(Error::invalid(what, EXAMPLE));
            }
        }
        Ok(())
    }
}

/// The pairs of a query, decoded as those of other URLs are.
fn decode(query: &str) -> Result<Vec<(String, String)>> {
    let unreadable = || Error::invalid("the parameters of the URL of Sentinel cannot be read", EXAMPLE);
    let url = redis::parse_redis_url(&format!("redis://host/?{query}")).ok_or_else(unreadable)?;
    Ok(url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
}

fn parse_host(host: &str, is_shown: bool) -> Result<(String, u16)> {
    let wrong = || {
        let host = if is_shown { host } else { "(not shown)" };
        Error::invalid(format!("the URL of Sentinel has the address {host:?}, which cannot be read"), EXAMPLE)
    };
    // An IPv6 address is in brackets.
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, port)) => (name, port.strip_prefix(':')),
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse().map_err(|_| wrong()))?;
    if name.is_empty() { Err(wrong()) } else { Ok((name.to_owned(), port)) }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_url_of_sentinel_has_hosts_a_service_and_a_database() {
        let url =
            "redis+sentinel://ada:p%40ss@a:1,b,[::1]:3/mymaster/2?sentinel_password=s%2Ft&ssl_cert_reqs=none";
        let url = split(url, false).unwrap();
        let hosts: Vec<String> =
            url.sentinels.hosts.iter().map(|(host, port)| format!("{host} {port}")).collect();
        assert_eq!(hosts, ["a 1", "b 26379", "::1 3"]);
        assert_eq!(
            (url.sentinels.service.as_str(), url.sentinels.password.as_deref()),
            ("mymaster", Some("s/t"))
        );
        assert_eq!(url.node_url, "redis://ada:p%40ss@primary:6379/2");
        assert_eq!(url.parameters, [("ssl_cert_reqs".to_owned(), "none".to_owned())]);
    }

    #[test]
    fn the_spelling_of_asynq_is_read() {
        let url = split("redis-sentinel://:pw@a,b/3?master=jobs", false).unwrap();
        assert_eq!(url.sentinels.service, "jobs");
        assert_eq!(url.node_url, "redis://:pw@primary:6379/3");
    }

    #[test]
    fn tls_of_the_sentinels_is_never_left_out_in_silence() {
        let is_tls = |url: &str, is_tls| split(url, is_tls).map(|url| url.sentinels.is_tls);
        assert_eq!(is_tls("rediss+sentinel://a/s", true), Ok(true));
        assert_eq!(is_tls("rediss+sentinel://a/s?sentinel_tls=false", true), Ok(false));
        for parameter in ["sentinel_tls=true", "sentinel_tls=maybe", "sentinel_pasword=x"] {
            let error = is_tls(&format!("redis+sentinel://a/s?{parameter}"), false).unwrap_err();
            assert!(error.hint().is_some(), "{parameter}: {error}");
        }
    }

    #[test]
    fn a_url_without_a_service_or_with_a_bad_host_is_refused_with_an_example() {
        for url in ["redis+sentinel://a,b", "redis+sentinel://a:x/s", "redis+sentinel:///s"] {
            let error = split(url, false).err().unwrap();
            assert!(error.hint().is_some_and(|hint| hint.contains("SERVICE")), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_that_is_not_encoded_is_not_shown_as_a_host() {
        let error = split("redis+sentinel://:s3/cret@host/s", false).err().unwrap();
        assert!(!format!("{error:?}").contains("s3"), "{error}");
    }
}
