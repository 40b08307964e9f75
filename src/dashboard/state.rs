//! State that all requests of one listener share.

use std::sync::Arc;

use super::auth::Access;
use super::health::Health;
use super::login_failures::LoginFailures;
use crate::client::Client;

/// Options of one listener.
#[derive(Clone, Default)]
pub(crate) struct DashboardOptions {
    pub(crate) access: Access,
    /// `true` if arguments, results, meta and output are left out of every response.
    pub(crate) hide_args: bool,
    /// Path before every path of the dashboard, as in `/rq`: empty, or without a slash at its end.
    pub(crate) url_prefix: String,
    /// `true` if only `/metrics`, `/livez` and `/readyz` are served.
    pub(crate) metrics_only: bool,
}

pub(super) struct AppState {
    pub(super) client: Arc<Client>,
    pub(super) options: DashboardOptions,
    pub(super) health: Health,
    pub(super) login_failures: LoginFailures,
}

impl AppState {
    /// Removes the URL prefix from a path; nothing if the path does not begin with it. Probes and Prometheus do not
    /// come through the proxy that adds the prefix, so their paths work without it too.
    pub(super) fn strip_prefix<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(&self.options.url_prefix) {
            Some("") => Some("/"),
            Some(rest) if rest.starts_with('/') => Some(rest),
            _ => Some(path).filter(|path| ["/livez", "/readyz", "/metrics"].contains(path)),
        }
    }
}
