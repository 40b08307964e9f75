//! The URL of Redis: from the option, or else from the environment.

use crate::error::{Error, Result};

/// The URL of Redis if none is given.
pub(crate) const DEFAULT_URL: &str = "redis://127.0.0.1:6379";

/// A URL with more parameters, and where they come from.
pub(crate) struct RedisUrl {
    pub(crate) url: String,
    pub(crate) parameters: Vec<(&'static str, String)>,
    /// The variable of the environment, or `default`.
    pub(crate) source: &'static str,
}

impl RedisUrl {
    /// The URL of a process that was given none: `REDIS_URL`, or else `REDIS_HOST` with its companions (names of Python
    /// RQ's settings), or else the default.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a port that is no number.
    pub(crate) fn from_environment() -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match (variable("REDIS_URL"), variable("REDIS_HOST")) {
            (Some(url), _) => Ok(RedisUrl { url, parameters: Vec::new(), source: "REDIS_URL" }),
            (None, Some(host)) => Self::from_host(&host, variable),
            (None, None) => {
                Ok(RedisUrl { url: DEFAULT_URL.to_owned(), parameters: Vec::new(), source: "default" })
            }
        }
    }

    /// The parameters, as [`Client::lazy`](crate::client::Client::lazy) takes them.
    pub(crate) fn parameters(&self) -> Vec<(&str, &str)> {
        self.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn from_host(host: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        // An IPv6 address has colons of its own.
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        // Kubernetes sets REDIS_PORT=tcp://… for a service named redis: that is no port.
        let port = variable("REDIS_PORT").filter(|port| !port.contains("://"));
        let port = port.unwrap_or_else(|| "6379".to_owned());
        if port.parse::<u16>().is_err() {
            return Err(Error::invalid(
                format!("REDIS_PORT is {port:?}, which is no port"),
                "as in REDIS_PORT=6379",
            ));
        }
        let is_tls = variable("REDIS_SSL")
            .is_some_and(|word| matches!(word.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on"));
        let scheme = if is_tls { "rediss" } else { "redis" };
        let names = [("db", "REDIS_DB"), ("username", "REDIS_USERNAME"), ("password", "REDIS_PASSWORD")];
        let parameters = names.into_iter().filter_map(|(name, from)| Some((name, variable(from)?))).collect();
        Ok(RedisUrl { url: format!("{scheme}://{host}:{port}"), parameters, source: "REDIS_HOST" })
    }
}

#[cfg(test)]
mod tests {
    use super::RedisUrl;

    fn from_host(host: &str, variables: &[(&str, &str)]) -> RedisUrl {
        let value = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        RedisUrl::from_host(host, value).unwrap()
    }

    #[test]
    fn a_host_and_its_companions_make_a_url() {
        assert_eq!(from_host("cache", &[]).url, "redis://cache:6379");
        assert_eq!(from_host("::1", &[("REDIS_PORT", "7000")]).url, "redis://[::1]:7000");
        let all =
            [("REDIS_SSL", "True"), ("REDIS_DB", "3"), ("REDIS_USERNAME", "ada"), ("REDIS_PASSWORD", "a@b")];
        let url = from_host("cache", &all);
        assert_eq!((url.url.as_str(), url.source), ("rediss://cache:6379", "REDIS_HOST"));
        let expected = [("db", "3"), ("username", "ada"), ("password", "a@b")];
        assert_eq!(url.parameters, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn the_port_of_a_service_of_kubernetes_is_no_port() {
        assert_eq!(from_host("cache", &[("REDIS_PORT", "tcp://10.0.0.1:6379")]).url, "redis://cache:6379");
    }
}
