//! What is shown, and what is asked of it.

use std::net::IpAddr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::login_failures::LoginFailures;
use super::{Health, Options};
use crate::client::Client;

/// How far into a list one may ask.
pub(super) const FURTHEST: usize = 1_000_000_000;

/// What is shown, and to whom.
pub(super) struct AppState {
    pub(super) client: Arc<Client>,
    pub(super) options: Options,
    pub(super) health: Health,
    pub(super) logins: LoginFailures,
}

/// What is asked for.
pub(super) struct RequestInfo<'a> {
    pub(super) parts: Vec<&'a str>,
    pub(super) query: Query,
    pub(super) who: String,
    pub(super) peer: IpAddr,
}

/// The part of an address behind `?`.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let decode =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        Query(text.split('&').filter(|part| !part.is_empty()).take(32).map(pair).collect())
    }

    /// An empty value says nothing.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(one, _)| one == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A number within bounds; others are taken for the nearest one.
    pub(super) fn number(&self, name: &str, usual: usize, most: usize) -> usize {
        self.get(name).and_then(|text| text.parse().ok()).unwrap_or(usual).min(most)
    }
}

impl AppState {
    /// What stands behind the prefix. Those who do not come through the proxy need none for what they look at.
    pub(super) fn path<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(&self.options.url_prefix) {
            Some("") => Some("/"),
            Some(rest) if rest.starts_with('/') => Some(rest),
            _ => Some(path).filter(|path| ["/livez", "/readyz", "/metrics"].contains(path)),
        }
    }
}

/// Stands before names that are dots, which browsers take for something else, and before those that begin with it.
const ESCAPE: char = '~';

/// What stands between the slashes, decoded; a name may hold a slash, but not a NUL. Nothing is looked up in a file
/// system, so dots mean nothing.
pub(super) fn parts(path: &str) -> Option<Vec<String>> {
    let decode = |part: &str| {
        let part = percent_decode_str(part).decode_utf8().ok()?;
        Some(part.strip_prefix(ESCAPE).unwrap_or(&part).to_owned())
    };
    let parts: Vec<String> = path[1..].split('/').map(decode).collect::<Option<_>>()?;
    let has_nul = parts.iter().any(|part| part.contains('\0'));
    (!has_nul).then(|| if parts == [""] { Vec::new() } else { parts })
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn names_may_hold_anything_but_nul() {
        assert_eq!(parts("/queues/a%2Fb/failed").unwrap(), ["queues", "a/b", "failed"]);
        assert_eq!(parts("/").unwrap(), [""; 0]);
        assert_eq!(parts("/queues/~../~~x").unwrap(), ["queues", "..", "~x"]);
        assert!(parts("/x%00").is_none() && parts("/%ff").is_none());
    }
}
