//! What kind of server answers, and whether its settings can lose jobs.

use chrono::{DateTime, Utc};

use crate::client::{Client, RedisCommand, reply};
use crate::error::{Error, Result};
use crate::job::from_unix_seconds;

/// Fetches the time of Redis' clock. A time that cannot be read is 1970.
pub(crate) fn fetch_now(client: &Client) -> Result<DateTime<Utc>> {
    Ok(from_unix_seconds(fetch_time(client)?).unwrap_or_default())
}

/// Fetches the time of Redis' clock in seconds since 1970.
pub(crate) fn fetch_time(client: &Client) -> Result<f64> {
    let time = reply::texts(client.query(&RedisCommand::new("TIME"))?)?;
    let number = |n: usize| time.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    Ok(number(0) + number(1) / 1e6)
}

/// DialectSpec of `INFO`, as far as the server tells them to this user.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerInfo {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// Seconds since it was started.
    pub(crate) uptime: Option<u64>,
    pub(crate) used_memory: Option<u64>,
    pub(crate) maxmemory: Option<u64>,
    pub(crate) policy: Option<String>,
}

/// Asks the server. One that does not let this user look is taken as it is.
pub(crate) fn fetch(client: &Client) -> Result<ServerInfo> {
    let sections = ["server", "memory"].map(|section| RedisCommand::new("INFO").arg(section));
    let mut text = String::new();
    for answer in client.query_all(&sections)? {
        match answer.and_then(reply::text) {
            Ok(part) => text += &format!("{}\n", part.unwrap_or_default()),
            Err(Error::Denied { .. }) => {}
            Err(error) if error.is_unknown_command() => {}
            Err(error) => return Err(error),
        }
    }
    let field = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
    };
    let number = |name: &str| field(name).and_then(|value| value.parse().ok());
    let (name, version) = match field("valkey_version") {
        Some(version) => ("Valkey", version),
        None => ("Redis", field("redis_version").unwrap_or_default()),
    };
    Ok(ServerInfo {
        name,
        version,
        uptime: number("uptime_in_seconds"),
        used_memory: number("used_memory"),
        maxmemory: number("maxmemory"),
        policy: field("maxmemory_policy"),
    })
}

/// Refuses a server that is too old, and tells of settings that can lose jobs.
pub(crate) fn check_supported(client: &Client, warn: &mut dyn FnMut(String)) -> Result<ServerInfo> {
    let server = fetch(client)?;
    let mut numbers = server.version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    if let Some(major) = numbers.next()
        && (major, numbers.next().unwrap_or(0)) < client.dialect.oldest_server
    {
        return Err(Error::Unsupported {
            what: format!(
                "{} {} at {} in the dialect {}",
                server.name,
                server.version,
                client.address(),
                client.dialect.name
            ),
        });
    }
    if let Some(policy) = server.policy.as_deref().filter(|policy| *policy != "noeviction") {
        warn(format!("maxmemory-policy is {policy}: a full Redis may throw jobs away; set it to noeviction"));
    }
    Ok(server)
}
