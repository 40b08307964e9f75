//! Options that say where Redis is, the same for every command.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::output::eprint;
use super::value_parsers::at_least;

use crate::client::{Client, RedisCommand, reply};
use crate::dialect::Dialect;
use crate::error::Result;
#[cfg(any(feature = "dashboard", feature = "top"))]
use crate::redis::Timeouts;

/// Where Redis is when nobody says.
pub(crate) const DEFAULT_URL: &str = "redis://127.0.0.1:6379";

#[derive(Args)]
pub(crate) struct RedisOptions {
    /// Redis: redis://[user:password@]host[:port][/db] or unix:///path [default: $REDIS_URL, else redis://127.0.0.1:6379]
    #[arg(short, long, global = true, env = "RQ_REDIS_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    /// How jobs are laid out in Redis: native, or rq to work with Python RQ on the same queues
    #[arg(long, global = true, env = "RQ_RS_DIALECT", hide_env_values = true, value_name = "NAME")]
    dialect: Option<Dialect>,
    /// What every key in Redis begins with [default: rq-rs, in the dialect rq: rq]
    #[arg(long, global = true, env = "RQ_KEY_PREFIX", hide_env_values = true)]
    prefix: Option<String>,
    /// How long a call to Redis may take, all tries included, as in 2s; workers once they run, `dashboard` and `top` have limits of their own
    #[arg(long, global = true, env = "RQ_RS_REDIS_TIMEOUT", hide_env_values = true, value_name = "DURATION", default_value = "10s", value_parser = at_least("0.01s"))]
    redis_timeout: Duration,
}

impl RedisOptions {
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect.unwrap_or_default()
    }

    /// A server in the dialect and under the prefix that were asked for.
    pub(crate) fn connect_to(&self, url: &str) -> Result<Arc<Client>> {
        self.configured(Client::connect_with_timeout(url, self.redis_timeout)?)
    }

    fn configured(&self, mut client: Arc<Client>) -> Result<Arc<Client>> {
        if let Some(dialect) = self.dialect {
            client = client.with_dialect(dialect);
        }
        match &self.prefix {
            Some(prefix) => client.with_prefix(prefix),
            None => Ok(client),
        }
    }

    fn url(&self) -> String {
        let fallback = std::env::var("REDIS_URL").ok().filter(|url| !url.is_empty());
        let url = self.url.clone().filter(|url| !url.is_empty()).or(fallback);
        url.unwrap_or_else(|| DEFAULT_URL.to_owned())
    }

    /// The server, which need not be there yet. Its connections are shared with nobody.
    #[cfg(any(feature = "dashboard", feature = "top"))]
    pub(crate) fn connect_lazily(&self) -> Result<Arc<Client>> {
        self.configured(Client::lazy(&self.url(), Timeouts::UI)?)
    }

    pub(crate) fn connect(&self) -> Result<Arc<Client>> {
        let client = self.connect_to(&self.url())?;
        crate::server_info::check_supported(&client, &mut |_| {})?;
        if self.dialect.is_none() && self.prefix.is_none() {
            suggest_other_dialect(&client)?;
        }
        Ok(client)
    }
}

/// Who works with Python's queues and forgets to say so sees nothing, and should know why.
fn suggest_other_dialect(client: &Arc<Client>) -> Result<()> {
    let has_queues = |client: &Client| -> Result<bool> {
        let call = RedisCommand::new("EXISTS").arg(client.keys.queues());
        Ok(reply::int(&client.query(&call)?)? == 1)
    };
    if has_queues(client)? {
        return Ok(());
    }
    for dialect in Dialect::ALL {
        if has_queues(&client.with_dialect(dialect))? {
            eprint(format_args!(
                "note: there are queues in the dialect {dialect}, and none in {}: --dialect {dialect} or RQ_RS_DIALECT={dialect}",
                client.dialect.name
            ));
        }
    }
    Ok(())
}
