//! Authentication and protection against other sites: every request that is refused for who sent it, or from where,
//! is refused here.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN, TRANSFER_ENCODING};
use hyper::{Method, StatusCode, Uri, Version};
use sha2::{Digest, Sha256};

use super::response::{self, Response};
use crate::error::{Error, Result};

/// A password or token. Only its digest is kept, so that the time of a comparison reveals nothing about the secret.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// Reads a secret: `sha256:` and 64 hex digits, or the secret itself.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the text is empty or the digest is malformed.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim_end_matches(['\r', '\n']);
        let Some(hex) = text.strip_prefix("sha256:") else {
            return match text.is_empty() {
                true => Err(Error::invalid(
                    "the dashboard's password or token is empty",
                    "give one, or leave the option out",
                )),
                false => Ok(Secret(Sha256::digest(text).into())),
            };
        };
        let malformed = || {
            Error::invalid(
                "the text after sha256: is not a SHA-256 digest",
                "as in: sha256:$(printf %s SECRET | sha256sum | cut -d' ' -f1)",
            )
        };
        let digits = hex.trim().as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Secret).ok_or_else(malformed)
    }

    /// Compares in constant time.
    fn matches(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        given.iter().zip(self.0).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

/// Access rules of one listener.
#[derive(Clone, Default)]
pub(crate) struct Access {
    pub(crate) password: Option<Secret>,
    pub(crate) token: Option<Secret>,
    /// Host names that requests may use, beside `localhost` and IP addresses.
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) is_read_only: bool,
    /// Prefix of the options in hints: `--`, or `--dashboard-` in a worker.
    pub(crate) option_prefix: &'static str,
}

impl Access {
    /// Returns whether requests need neither a password nor a token.
    pub(crate) fn is_open(&self) -> bool {
        self.password.is_none() && self.token.is_none()
    }

    /// Returns the refusal of a request head that no honest client sends: a chunked body, a proxy request, a missing or
    /// repeated Host. `None` accepts it.
    pub(super) fn refuse_head(
        &self,
        (version, uri, headers): (Version, &Uri, &HeaderMap),
    ) -> Option<Response> {
        let refuse = |message: &str| Some(response::error_and_close(StatusCode::BAD_REQUEST, message, ""));
        if headers.contains_key(TRANSFER_ENCODING) {
            return refuse("a body needs a Content-Length header; Transfer-Encoding is not supported");
        }
        if uri.authority().is_some() || !uri.path().starts_with('/') {
            return refuse("this server is not a proxy");
        }
        let mut hosts = headers.get_all(HOST).iter();
        match (hosts.next(), hosts.next(), version) {
            (Some(host), None, _) if !host.is_empty() => None,
            // HTTP/1.0 probes send no Host; every browser does.
            (None, None, Version::HTTP_10) => None,
            _ => refuse("exactly one Host header is required"),
        }
    }

    /// Returns the refusal of a host name that is not allowed, `None` if it is. (DNS rebinding: a page elsewhere resolves
    /// its own name to this machine.)
    /// Such a page knows no password and no token, so with one of these every name is allowed.
    pub(super) fn refuse_host(&self, headers: &HeaderMap) -> Option<Response> {
        let host = headers.get(HOST)?.to_str().unwrap_or_default();
        if !self.is_open() || self.is_allowed_host(host) {
            return None;
        }
        Some(response::error_and_close(
            StatusCode::FORBIDDEN,
            "the dashboard is not known by this name",
            &format!("start it with {}allowed-host NAME, or with a password or token", self.option_prefix),
        ))
    }

    /// IP addresses are always allowed: a page elsewhere can point a name at this machine, but cannot be served from
    /// this machine's address.
    fn is_allowed_host(&self, host: &str) -> bool {
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => rest.split_once(']').unwrap_or_default(),
            None => host.split_at(host.find(':').unwrap_or(host.len())),
        };
        let is_port = |port: &str| !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return false;
        }
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok()
            || self
                .allowed_hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(name) || allowed.eq_ignore_ascii_case(host))
    }

    /// Returns the user's name for the log, or `None` if the password or token is wrong or missing.
    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Option<String> {
        if self.is_open() {
            return Some("anybody here".to_owned());
        }
        let credentials = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, given) = credentials.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            let token = self.token.as_ref().filter(|token| token.matches(given.trim()));
            return token.map(|_| "token".to_owned());
        }
        let decoded = String::from_utf8(STANDARD.decode(given.trim()).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        let is_right = self.password.as_ref().is_some_and(|secret| secret.matches(password));
        (scheme.eq_ignore_ascii_case("basic") && is_right).then(|| user.to_owned())
    }

    /// Returns the refusal of a change that comes from another site's page (CSRF), that is not a POST with JSON, or that
    /// is not allowed because the dashboard is read-only. `None` accepts it.
    pub(super) fn refuse_write(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        if self.is_read_only {
            return Some(response::method_not_allowed(
                "GET, HEAD",
                "the dashboard is read-only",
                &format!("start it without {}read-only", self.option_prefix),
            ));
        }
        if method != Method::POST {
            let message = "this method is not supported";
            return Some(response::method_not_allowed("GET, HEAD, POST", message, ""));
        }
        if !is_same_origin(headers) {
            return Some(response::error_and_close(StatusCode::FORBIDDEN, "cross-site request rejected", ""));
        }
        let content_type = header_text(headers, CONTENT_TYPE).unwrap_or_default();
        if content_type.split(';').next().unwrap_or_default().trim() != response::JSON {
            return Some(response::error_and_close(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be a JSON object",
                "send it with content-type: application/json",
            ));
        }
        None
    }
}

/// Returns whether the request comes from this dashboard's own page, or from no page at all.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let fetch_site = header_text(headers, HeaderName::from_static("sec-fetch-site"));
    let host = header_text(headers, HOST).unwrap_or_default();
    let is_own = |origin: &str| {
        origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
    };
    fetch_site.is_none_or(|site| site == "same-origin" || site == "none")
        && header_text(headers, ORIGIN).is_none_or(is_own)
}

/// Text of a header; empty when it is not ASCII.
fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}
