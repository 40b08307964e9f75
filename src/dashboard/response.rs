//! Answers: what every one of them says, and those that are errors.

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

/// No code but ours, from here only; nobody shows these pages in theirs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) type Response = hyper::Response<Full<Bytes>>;

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const JSON: &str = "application/json";

pub(super) fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers: [(HeaderName, &'static str); 7] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-client"),
        (HeaderName::from_static("x-frame-options"), "DENY"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

pub(super) fn ok(kind: &'static str, body: impl Into<Bytes>) -> Response {
    answer(StatusCode::OK, kind, body)
}

pub(super) fn json(value: &impl Serialize) -> Response {
    ok(JSON, serde_json::to_vec(value).unwrap_or_default())
}

/// To be saved and not to be shown, whatever it is.
pub(super) fn file(name: &'static str, text: String) -> Response {
    let mut answer = ok(TEXT, text);
    answer.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(name));
    answer
}

pub(super) fn refuse(status: StatusCode, what: &str, hint: &str) -> Response {
    let body = json!({ "error": what, "hint": Some(hint).filter(|hint| !hint.is_empty()) });
    answer(status, JSON, body.to_string())
}

/// The same, and nothing more is heard on this connection.
pub(super) fn refuse_and_close(status: StatusCode, what: &str, hint: &str) -> Response {
    let mut answer = refuse(status, what, hint);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

pub(super) fn unauthorized(has_password: bool) -> Response {
    let mut answer = refuse_and_close(StatusCode::UNAUTHORIZED, "a password or token is wanted", "");
    let scheme = if has_password { "Basic realm=\"rq-rs\", charset=\"UTF-8\"" } else { "Bearer" };
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    answer
}

pub(super) fn only(methods: &'static str, what: &str, hint: &str) -> Response {
    let mut answer = refuse_and_close(StatusCode::METHOD_NOT_ALLOWED, what, hint);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}

pub(super) fn not_found(what: &str) -> Response {
    refuse(StatusCode::NOT_FOUND, what, "")
}

/// What an error of the queue means to a browser. Where Redis is, and what it says, stands in the log only.
pub(super) fn failure(error: &Error) -> Response {
    let log_it = || log::debug!(target: "rq_rs", "dashboard: {error}");
    let status = match error {
        Error::Unreachable { .. } => {
            log_it();
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "Redis cannot be reached", "it is tried again");
        }
        Error::Refused { reason }
            if ["LOADING", "MASTERDOWN"].iter().any(|code| reason.starts_with(code)) =>
        {
            log_it();
            let what = "Redis is not ready yet";
            return refuse(StatusCode::SERVICE_UNAVAILABLE, what, "it is tried again");
        }
        Error::Refused { .. } if is_wrong_type(error) => {
            log_it();
            let what = "a key of it is of another type than it should be";
            return refuse(
                StatusCode::CONFLICT,
                what,
                "another program uses it; see the dashboard's log, with -v",
            );
        }
        Error::Refused { .. } | Error::Denied { .. } | Error::Unsupported { .. } => {
            log_it();
            let what = match error {
                Error::Denied { .. } => "Redis does not let the dashboard look",
                _ => "Redis does not do this now",
            };
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, what, "see the dashboard's log, with -v");
        }
        Error::NotFound { .. } | Error::NoWorker { .. } => StatusCode::NOT_FOUND,
        Error::WrongState { .. } | Error::OfPython { .. } => StatusCode::CONFLICT,
        Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refuse(status, &error.to_string(), &error.hint().unwrap_or_default())
}
