//! Responses: the headers that all of them have, and the ones that report an error.

use http_body_util::Full;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use serde::Serialize;
use serde_json::json;

use crate::error::Error;
use crate::wrong_type::is_wrong_type;

/// Only this server's own scripts and styles are loaded, and no other site may frame the page.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                              connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) type Response = hyper::Response<Full<Bytes>>;

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";

/// Builds a response with the security headers that every response has.
pub(super) fn with_status(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers: [(HeaderName, &'static str); 7] = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-frame-options"), "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(super) fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Response {
    with_status(StatusCode::OK, content_type, body)
}

pub(super) fn json(value: &impl Serialize) -> Response {
    ok(JSON, serde_json::to_vec(value).unwrap_or_default())
}

/// A text that browsers save to a file and never display, because a job may have written anything into it.
pub(super) fn download(disposition: &'static str, text: String) -> Response {
    let mut response = ok(TEXT, text);
    response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    response
}

/// An error as `{error, hint}`; an empty hint becomes `null`.
pub(super) fn error(status: StatusCode, message: &str, hint: &str) -> Response {
    let body = json!({ "error": message, "hint": Some(hint).filter(|hint| !hint.is_empty()) });
    with_status(status, JSON, body.to_string())
}

/// An error after which the connection is closed: the rest of the request is not read.
pub(super) fn error_and_close(status: StatusCode, message: &str, hint: &str) -> Response {
    let mut response = error(status, message, hint);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(super) fn unauthorized(has_password: bool) -> Response {
    let mut response = error_and_close(StatusCode::UNAUTHORIZED, "authentication required", "");
    let scheme = if has_password { "Basic realm=\"rq-rs\", charset=\"UTF-8\"" } else { "Bearer" };
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    response
}

pub(super) fn method_not_allowed(allowed: &'static str, message: &str, hint: &str) -> Response {
    let mut response = error_and_close(StatusCode::METHOD_NOT_ALLOWED, message, hint);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

pub(super) fn not_found(message: &str) -> Response {
    error(StatusCode::NOT_FOUND, message, "")
}

/// Translates an error of the crate into a response. Redis' address and its own message go to the log only.
pub(super) fn from_error(failure: &Error) -> Response {
    let Some((status, message, hint)) = redacted(failure) else {
        return error(status_of(failure), &failure.to_string(), &failure.hint().unwrap_or_default());
    };
    log::debug!(target: "rq_rs", "dashboard: {failure}");
    error(status, message, hint)
}

/// Status, message and hint in place of an error's own text; nothing if that text may be shown.
fn redacted(failure: &Error) -> Option<(StatusCode, &'static str, &'static str)> {
    const RETRIED: &str = "the page tries again by itself";
    const LOGGED: &str = "see the dashboard's log, with -v";
    let is_loading = |reason: &str| ["LOADING", "MASTERDOWN"].iter().any(|code| reason.starts_with(code));
    Some(match failure {
        Error::Unreachable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "Redis cannot be reached", RETRIED),
        Error::Refused { reason } if is_loading(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, "Redis is not ready yet", RETRIED)
        }
        Error::Refused { .. } if is_wrong_type(failure) => (
            StatusCode::CONFLICT,
            "one of its keys in Redis has another type than it should have",
            "another program uses the key; see the dashboard's log, with -v",
        ),
        Error::Denied { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Redis does not permit this to the dashboard", LOGGED)
        }
        Error::Refused { .. } | Error::Unsupported { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "Redis refuses to do this now", LOGGED)
        }
        _ => return None,
    })
}

/// Status of an error that may be shown as it is.
fn status_of(failure: &Error) -> StatusCode {
    match failure {
        Error::NotFound { .. } | Error::NoWorker { .. } => StatusCode::NOT_FOUND,
        Error::WrongState { .. } | Error::OfPython { .. } => StatusCode::CONFLICT,
        Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
