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

/// Splits a URL of Sentinel into the settings of the sentinels, and the URL of Redis with a host that stands for the
/// primary.
pub(super) fn split(url: &str, is_tls: bool) -> Result<(SentinelSettings, String)> {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) =
        authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
    let (first, second) =
        path.trim_end_matches('/').split_once('/').unwrap_or((path.trim_end_matches('/'), ""));
    let mut settings = SentinelSettings {
        hosts: hosts.split(',').map(parse_host).collect::<Result<_>>()?,
        service: first.to_owned(),
        username: None,
        password: None,
        is_tls,
    };
    let mut database = second;
    let mut others = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            // asynq's spelling: the path is the database then.
            "master" => {
                (settings.service, database) =
                    (decode(value), if second.is_empty() { first } else { second });
            }
            "sentinel_username" => settings.username = Some(decode(value)),
            "sentinel_password" => settings.password = Some(decode(value)),
            "sentinel_tls" => settings.is_tls = matches!(value, "true" | "1" | "yes"),
            _ => others.push(pair),
        }
    }
    if settings.service.is_empty() {
        return Err(Error::invalid("the URL of Sentinel names no service", EXAMPLE));
    }
    let (scheme, user) = (if is_tls { "rediss" } else { "redis" }, user.map(|user| format!("{user}@")));
    let url = format!("{scheme}://{}primary:6379/{database}?{}", user.unwrap_or_default(), others.join("&"));
    Ok((settings, url))
}

fn parse_host(host: &str) -> Result<(String, u16)> {
    let wrong = || {
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

/// Decodes `%41` and its like.
fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
        match (byte, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                bytes = ahead;
            }
            _ => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_url_of_sentinel_has_hosts_a_service_and_a_database() {
        let url =
            "redis+sentinel://ada:p%40ss@a:1,b,[::1]:3/mymaster/2?sentinel_password=s%2Ft&ssl_cert_reqs=none";
        let (settings, node) = split(url, false).unwrap();
        let hosts: Vec<String> = settings.hosts.iter().map(|(host, port)| format!("{host} {port}")).collect();
        assert_eq!(hosts, ["a 1", "b 26379", "::1 3"]);
        assert_eq!((settings.service.as_str(), settings.password.as_deref()), ("mymaster", Some("s/t")));
        assert_eq!(node, "redis://ada:p%40ss@primary:6379/2?ssl_cert_reqs=none");
    }

    #[test]
    fn the_spelling_of_asynq_is_read() {
        let (settings, node) =
            split("redis-sentinel://:pw@a,b/3?master=jobs&sentinel_tls=true", false).unwrap();
        assert_eq!((settings.service.as_str(), settings.is_tls), ("jobs", true));
        assert_eq!(node, "redis://:pw@primary:6379/3?");
    }

    #[test]
    fn a_url_without_a_service_or_with_a_bad_host_is_refused_with_an_example() {
        for url in ["redis+sentinel://a,b", "redis+sentinel://a:x/s", "redis+sentinel:///s"] {
            let error = split(url, false).err().unwrap();
            assert!(error.hint().is_some_and(|hint| hint.contains("SERVICE")), "{url}: {error}");
        }
    }
}
