//! The options for the connection to Redis, which all commands have.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::output::eprint;
use super::redis_url::RedisUrl;
#[cfg(feature = "tls")]
use super::tls_options::TlsOptions;
use super::value_parsers::at_least;

use crate::client::{Client, RedisCommand, reply};
use crate::dialect::Dialect;
use crate::error::Result;
#[cfg(any(feature = "dashboard", feature = "top"))]
use crate::redis::Timeouts;

#[derive(Args)]
pub(crate) struct RedisOptions {
    /// Redis: redis://[user:password@]host[:port][/db], rediss:// for TLS, or unix:///path [default: $REDIS_URL, else redis://127.0.0.1:6379]
    #[arg(short, long, global = true, env = "RQ_REDIS_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    /// Format of jobs in Redis: native, or rq to work with Python RQ on the same queues
    #[arg(long, global = true, env = "RQ_RS_DIALECT", hide_env_values = true, value_name = "NAME")]
    dialect: Option<Dialect>,
    /// The beginning of every key in Redis [default: rq-rs, in the dialect rq: rq]
    #[arg(long, global = true, env = "RQ_KEY_PREFIX", hide_env_values = true)]
    prefix: Option<String>,
    /// Time limit of a call to Redis, all attempts included, as in 2s; workers once they run, `dashboard` and `top` have limits of their own
    #[arg(long, global = true, env = "RQ_RS_REDIS_TIMEOUT", hide_env_values = true, value_name = "DURATION", default_value = "10s", value_parser = at_least("0.01s"))]
    redis_timeout: Duration,
    #[cfg(feature = "tls")]
    #[command(flatten)]
    tls: TlsOptions,
}

impl RedisOptions {
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect.unwrap_or_default()
    }

    /// Connects to `url`, with the dialect and the prefix of the options.
    pub(crate) fn connect_to(&self, url: &str) -> Result<Arc<Client>> {
        self.configured(Client::connect_with_timeout((url, &[]), self.redis_timeout)?)
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

    /// The URL that is in force, with the parameters that the environment and other options add.
    fn url(&self) -> Result<RedisUrl> {
        let given = self.url.clone().filter(|url| !url.is_empty());
        let given = given.map(|url| RedisUrl { url, parameters: Vec::new(), source: "option" });
        #[cfg_attr(not(feature = "tls"), allow(unused_mut))]
        let mut url = given.map_or_else(RedisUrl::from_environment, Ok)?;
        #[cfg(feature = "tls")]
        {
            self.tls.warn();
            url.parameters.extend(self.tls.parameters());
        }
        Ok(url)
    }

    /// Creates a client that connects with its first command, so that Redis need not be running yet. Its pool is its
    /// own.
    #[cfg(any(feature = "dashboard", feature = "top"))]
    pub(crate) fn connect_lazily(&self) -> Result<Arc<Client>> {
        let url = self.url()?;
        self.configured(Client::lazy((&url.url, &url.parameters()), Timeouts::UI)?)
    }

    /// Connects to the URL of the options, and checks that the version of Redis is supported.
    pub(crate) fn connect(&self) -> Result<Arc<Client>> {
        let url = self.url()?;
        let client = Client::connect_with_timeout((&url.url, &url.parameters()), self.redis_timeout)?;
        let client = self.configured(client)?;
        crate::server_info::check_supported(&client, &mut |_| {})?;
        if self.dialect.is_none() && self.prefix.is_none() {
            suggest_other_dialect(&client)?;
        }
        Ok(client)
    }
}

/// Prints a note if there are no queues in this dialect but queues in another one: without `--dialect rq` the queues
/// of Python RQ are invisible.
fn suggest_other_dialect(client: &Arc<Client>) -> Result<()> {
    let has_queues = |client: &Client| -> Result<bool> {
        let exists = RedisCommand::new("EXISTS").arg(client.keys.queues());
        Ok(reply::int(&client.call(&exists)?)? == 1)
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
