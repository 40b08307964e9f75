//! Who may ask, and from where. The one place that says no.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::{Method, StatusCode, Uri, Version};
use sha2::{Digest, Sha256};

use super::response::{self, Response};
use crate::error::{Error, Result};

/// What somebody must know. Kept as a digest, so that comparing says nothing about how much was right.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// `sha256:` and 64 hex digits, or the secret itself.
    ///
    /// # Errors
    /// [`Error::Invalid`].
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
        let wrong = || {
            Error::invalid(
                "that is no SHA-256 digest",
                "as in: sha256:$(printf %s SECRET | sha256sum | cut -d' ' -f1)",
            )
        };
        let digits = hex.trim().as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Secret).ok_or_else(wrong)
    }

    fn is(&self, said: &str) -> bool {
        let said: [u8; 32] = Sha256::digest(said).into();
        said.iter().zip(self.0).fold(0, |odd, (a, b)| odd | (a ^ b)) == 0
    }
}

/// Who is let in.
#[derive(Clone, Default)]
pub(crate) struct Access {
    pub(crate) password: Option<Secret>,
    pub(crate) token: Option<Secret>,
    /// Names by which it may be called, beside `localhost` and addresses.
    pub(crate) hosts: Vec<String>,
    pub(crate) is_read_only: bool,
    /// How its options begin: `--`, in a worker `--dashboard-`.
    pub(crate) dashes: &'static str,
}

impl Access {
    pub(crate) fn is_open(&self) -> bool {
        self.password.is_none() && self.token.is_none()
    }

    /// The head of a request that no honest client sends.
    pub(super) fn check_form(
        &self,
        (version, uri, headers): (Version, &Uri, &HeaderMap),
    ) -> Option<Response> {
        let close = |what: &str| Some(response::refuse_and_close(StatusCode::BAD_REQUEST, what, ""));
        if headers.contains_key(hyper::header::TRANSFER_ENCODING) {
            return close("a body must come with its length");
        }
        if uri.authority().is_some() || !uri.path().starts_with('/') {
            return close("this is no proxy");
        }
        let mut hosts = headers.get_all(HOST).iter();
        match (hosts.next(), hosts.next(), version) {
            (Some(host), None, _) if !host.is_empty() => None,
            // No browser does without.
            (None, None, Version::HTTP_10) => None,
            _ => close("one Host is wanted"),
        }
    }

    /// A page elsewhere that has led its own name here is refused. It knows no password and no token, so where one is
    /// wanted every name will do.
    pub(super) fn check_name(&self, headers: &HeaderMap) -> Option<Response> {
        let host = headers.get(HOST)?.to_str().unwrap_or_default();
        if !self.is_open() || self.is_host(host) {
            return None;
        }
        Some(response::refuse_and_close(
            StatusCode::FORBIDDEN,
            "the dashboard is not known by this name",
            &format!("start it with {}allowed-host NAME, or with a password or token", self.dashes),
        ))
    }

    /// A page elsewhere can lead any name of its own to this machine, but not an address.
    fn is_host(&self, host: &str) -> bool {
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
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host))
    }

    /// Who asks: the name that stands beside the password, or what else is known.
    pub(super) fn who(&self, headers: &HeaderMap) -> Option<String> {
        if self.is_open() {
            return Some("anybody here".to_owned());
        }
        let said = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, said) = said.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.token.as_ref().filter(|token| token.is(said.trim())).map(|_| "token".to_owned());
        }
        let said = String::from_utf8(STANDARD.decode(said.trim()).ok()?).ok()?;
        let (name, password) = said.split_once(':')?;
        let is_right = self.password.as_ref().is_some_and(|secret| secret.is(password));
        (scheme.eq_ignore_ascii_case("basic") && is_right).then(|| name.to_owned())
    }

    /// Whether a change may be asked for: by a page of ours, or by no page at all.
    pub(super) fn check_change(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        if self.is_read_only {
            return Some(response::only(
                "GET, HEAD",
                "the dashboard is read-only",
                &format!("start it without {}read-only", self.dashes),
            ));
        }
        if method != Method::POST {
            return Some(response::only("GET, HEAD, POST", "there is no such method here", ""));
        }
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let site = text(HeaderName::from_static("sec-fetch-site"));
        let is_ours = site.is_none_or(|site| site == "same-origin" || site == "none");
        let host = text(HOST).unwrap_or_default();
        let of_origin =
            |origin: &str| origin.split_once("://").is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(host));
        if !is_ours || !text(ORIGIN).is_none_or(of_origin) {
            return Some(response::refuse_and_close(StatusCode::FORBIDDEN, "another site has sent this", ""));
        }
        let kind = text(CONTENT_TYPE).unwrap_or_default();
        if kind.split(';').next().unwrap_or_default().trim() != response::JSON {
            return Some(response::refuse_and_close(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "a JSON object is wanted",
                "send it with content-type: application/json",
            ));
        }
        None
    }
}
