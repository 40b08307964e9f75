//! Options that say where Redis is, the same for every command.

use std::ffi::OsString;
use std::sync::Arc;

use clap::Args;

use crate::error::Result;
use crate::store::Store;

#[derive(Args)]
pub(crate) struct ServerOptions {
    /// Redis: redis://[user:password@]host[:port][/db] or unix:///path [default: $REDIS_URL, else redis://127.0.0.1:6379]
    #[arg(short, long, global = true, env = "RQ_REDIS_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    /// What every key in Redis begins with
    #[arg(long, global = true, env = "RQ_KEY_PREFIX", default_value = "rq-rs", hide_env_values = true)]
    prefix: String,
}

impl ServerOptions {
    /// Whether the URL was typed, and does not merely stand in the environment.
    pub(crate) fn is_typed() -> bool {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        without_url(&arguments).1.is_some() || std::env::var_os(TYPED).is_some()
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn connect(&self) -> Result<Arc<Store>> {
        let fallback = std::env::var("REDIS_URL").ok().filter(|url| !url.is_empty());
        let url = self.url.clone().filter(|url| !url.is_empty()).or(fallback);
        Store::connect(url.as_deref().unwrap_or("redis://127.0.0.1:6379"))?.prefixed(&self.prefix)
    }
}

/// Everybody on the machine can read a process' arguments. When they hold a password, the same
/// program is started anew in this process, with the URL in its environment instead.
pub(crate) fn hide_password(arguments: &[OsString]) -> Option<std::io::Error> {
    use std::os::unix::process::CommandExt;
    let (kept, url) = without_url(arguments);
    let url = url.filter(|url| holds_password(url))?;
    let (name, rest) = kept.split_first()?;
    let program = std::env::current_exe().ok()?;
    let error = std::process::Command::new(program)
        .arg0(name)
        .args(rest)
        .env("RQ_REDIS_URL", url)
        .env(TYPED, "1")
        .exec();
    Some(error)
}

/// Says to the program that was started anew that its URL was typed.
const TYPED: &str = "RQ_RS_URL_WAS_TYPED";

/// The arguments without the URL, and the URL. What follows `--` is not ours.
fn without_url(arguments: &[OsString]) -> (Vec<OsString>, Option<String>) {
    let (mut kept, mut url) = (Vec::new(), None);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let text = argument.to_string_lossy();
        if text == "--" {
            kept.push(argument.clone());
            kept.extend(rest.by_ref().cloned());
        } else if text == "-u" || text == "--url" {
            url = rest.next().map(|value| value.to_string_lossy().into_owned());
        } else if let Some(value) = text.strip_prefix("--url=").or_else(|| text.strip_prefix("-u")) {
            url = Some(value.trim_start_matches('=').to_owned());
        } else {
            kept.push(argument.clone());
        }
    }
    (kept, url)
}

fn holds_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::{holds_password, without_url};

    #[test]
    fn the_url_is_found_in_every_spelling() {
        for words in ["w -u URL -b", "w --url URL -b", "w --url=URL -b", "w -uURL -b"] {
            let arguments: Vec<_> = words.split(' ').map(Into::into).collect();
            let (kept, url) = without_url(&arguments);
            assert_eq!((kept, url.as_deref()), (vec!["w".into(), "-b".into()], Some("URL")), "{words}");
        }
        let (kept, url) = without_url(&["w", "--", "-u", "x"].map(Into::into));
        assert_eq!((kept.len(), url), (4, None));
    }

    #[test]
    fn only_a_url_with_a_password_is_hidden() {
        assert!(holds_password("redis://ada:secret@localhost"));
        assert!(holds_password("redis://:secret@localhost"));
        assert!(!holds_password("redis://localhost:6379/1"));
        assert!(!holds_password("redis://ada@localhost:6379"));
    }
}
