//! The Redis server: its kind and version, and whether its settings can lose jobs.

use crate::client::{Client, RedisCommand, reply};
use crate::error::{Error, Result};

/// Values of `INFO`. A value is missing if the user may not run the command.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerInfo {
    /// `Redis` or `Valkey`.
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// Seconds since the server was started.
    pub(crate) uptime: Option<u64>,
    /// Memory in use, in bytes.
    pub(crate) used_memory: Option<u64>,
    /// Limit of the memory, in bytes; 0 for no limit.
    pub(crate) maxmemory: Option<u64>,
    /// `maxmemory-policy`.
    pub(crate) policy: Option<String>,
}

/// Fetches the server's information. That the user may not run `INFO` is no error.
pub(crate) fn fetch(client: &Client) -> Result<ServerInfo> {
    let sections = ["server", "memory"].map(|section| RedisCommand::new("INFO").arg(section));
    let mut text = String::new();
    for reply in client.call_all(&sections)? {
        match reply.and_then(reply::text) {
            Ok(section) => text += &format!("{}\n", section.unwrap_or_default()),
            Err(Error::Denied { .. }) => {}
            Err(error) if error.is_unknown_command() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(parse(&text))
}

fn parse(text: &str) -> ServerInfo {
    let field = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
    };
    let number = |name: &str| field(name).and_then(|value| value.parse().ok());
    let (name, version) = match field("valkey_version") {
        Some(version) => ("Valkey", version),
        None => ("Redis", field("redis_version").unwrap_or_default()),
    };
    ServerInfo {
        name,
        version,
        uptime: number("uptime_in_seconds"),
        used_memory: number("used_memory"),
        maxmemory: number("maxmemory"),
        policy: field("maxmemory_policy"),
    }
}

impl ServerInfo {
    /// Returns whether the version is older. An unknown version is not.
    fn is_older_than(&self, version: (u32, u32)) -> bool {
        let mut numbers = self.version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
        numbers.next().is_some_and(|major| (major, numbers.next().unwrap_or(0)) < version)
    }
}

/// Refuses a server that is too old for the client's dialect, and passes a warning to `warn` if its settings can lose
/// jobs.
pub(crate) fn check_supported(client: &Client, warn: &mut dyn FnMut(String)) -> Result<()> {
    let server = fetch(client)?;
    if server.is_older_than(client.dialect.oldest_server) {
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
    Ok(())
}
