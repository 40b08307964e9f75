//! Options that say where Redis is, the same for every command.

use std::ffi::OsString;
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
    /// Whether the URL was typed, and does not merely stand in the environment.
    pub(crate) fn url_was_typed() -> bool {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        split_url(&arguments).1.is_some() || std::env::var_os(URL_WAS_TYPED).is_some()
    }

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
        crate::server_info::check(&client, &mut |_| {})?;
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

/// Everybody on the machine can read a process' arguments. When they hold a password, the same
/// program is started anew in this process, with the URL in its environment instead.
pub(crate) fn hide_password(arguments: &[OsString]) -> Option<std::io::Error> {
    use std::os::unix::process::CommandExt;
    let (kept, url) = split_url(arguments);
    let url = url.filter(|url| holds_password(url))?;
    let (name, rest) = kept.split_first()?;
    let program = std::env::current_exe().ok()?;
    let error = std::process::Command::new(program)
        .arg0(name)
        .args(rest)
        .env("RQ_REDIS_URL", url)
        .env(URL_WAS_TYPED, "1")
        .exec();
    Some(error)
}

/// Says to the program that was started anew that its URL was typed.
const URL_WAS_TYPED: &str = "RQ_RS_URL_WAS_TYPED";

/// The arguments without the URL, and the URL: `-u URL`, `-uURL`, `--url URL`, `--url=URL`, also at
/// the end of other short options, as in `-bu URL`. What follows `--` is not ours.
fn split_url(arguments: &[OsString]) -> (Vec<OsString>, Option<String>) {
    let (mut kept, mut url) = (Vec::new(), None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy();
        if text == "--" {
            kept.push(argument.clone());
            kept.extend(rest.by_ref().cloned());
        } else if text == "--url" {
            url = rest.next().map(|value| value.to_string_lossy().into_owned());
        } else if let Some(value) = text.strip_prefix("--url=") {
            url = Some(value.to_owned());
        } else if let Some((others, value)) = short_url(&text) {
            url = match value {
                "" => rest.next().map(|value| value.to_string_lossy().into_owned()),
                value => Some(value.trim_start_matches('=').to_owned()),
            };
            kept.extend((!others.is_empty()).then(|| OsString::from(format!("-{others}"))));
        } else {
            kept.push(argument.clone());
        }
    }
    (kept, url)
}

/// The short options before a `u`, and what follows it, when it is a URL or nothing.
fn short_url(text: &str) -> Option<(&str, &str)> {
    let cluster = text.strip_prefix('-').filter(|cluster| !cluster.starts_with('-'))?;
    let (others, value) = cluster.split_once('u')?;
    let are_flags = others.chars().all(|c| c.is_ascii_alphabetic());
    (are_flags && (value.is_empty() || value.contains("://"))).then_some((others, value))
}

fn holds_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let parameters = url.split_once('?').map_or("", |(_, rest)| rest);
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
        || parameters.split('&').any(|pair| pair.starts_with("pass"))
}

#[cfg(test)]
mod tests {
    use super::{holds_password, split_url};

    #[test]
    fn the_url_is_found_in_every_spelling() {
        for words in ["w -u URL -b", "w --url URL -b", "w --url=URL -b"] {
            let arguments: Vec<_> = words.split(' ').map(Into::into).collect();
            let (kept, url) = split_url(&arguments);
            assert_eq!((kept, url.as_deref()), (vec!["w".into(), "-b".into()], Some("URL")), "{words}");
        }
        for words in ["w -b -uredis://x", "w -bu redis://x", "w -buredis://x"] {
            let arguments: Vec<_> = words.split(' ').map(Into::into).collect();
            let (kept, url) = split_url(&arguments);
            assert_eq!((kept, url.as_deref()), (vec!["w".into(), "-b".into()], Some("redis://x")), "{words}");
        }
        let (kept, url) = split_url(&["w", "-queue", "--", "-u", "x"].map(Into::into));
        assert_eq!((kept.len(), url), (5, None));
        let (kept, url) = split_url(&["w", "--", "-u", "x"].map(Into::into));
        assert_eq!((kept.len(), url), (4, None));
    }

    #[test]
    fn only_a_url_with_a_password_is_hidden() {
        assert!(holds_password("redis://ada:secret@localhost"));
        assert!(holds_password("redis://:secret@localhost"));
        assert!(holds_password("unix:///x.sock?db=1&pass=secret"));
        assert!(!holds_password("redis://localhost:6379/1"));
        assert!(!holds_password("redis://ada@localhost:6379"));
    }
}
