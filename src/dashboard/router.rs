//! Routes a request to its handler, after the checks that all requests go through.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value};

use super::connections::ConnectionPermit;
use super::request::{Query, RequestInfo, split_path};
use super::response::{self, Response};
use super::socket::ConnectionPhase;
use super::state::AppState;
use super::{actions, api, assets};

const MAX_BODY_SIZE: usize = 64 * 1024;
/// Delay of the response to a wrong password or token, which slows down guessing.
const AUTH_FAILURE_DELAY: Duration = Duration::from_millis(500);

/// Responds to one request.
pub(super) async fn respond(
    state: &AppState,
    request: Request<Incoming>,
    phase: &ConnectionPhase,
    permit: &ConnectionPermit,
    peer: IpAddr,
) -> Response {
    let (head, body) = request.into_parts();
    if let Some(refusal) = state.options.access.refuse_head((head.version, &head.uri, &head.headers)) {
        return refusal;
    }
    let Some(segments) = state.strip_prefix(head.uri.path()).and_then(split_path) else {
        return response::not_found("there is no such page");
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let is_read = head.method == Method::GET || head.method == Method::HEAD;
    if permit.is_over_limit && segments != ["livez"] {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return response::error_and_close(status, "too many connections", "try again");
    }
    if let (true, ["livez" | "readyz"]) = (is_read, segments.as_slice()) {
        return catch_panics(|| state.health.respond(&state.client, segments[0]));
    }
    // Prometheus uses whatever name the machine has in its network, and no page can make use of metrics.
    let any_host = state.options.metrics_only || (is_read && segments == ["metrics"]);
    let user = match authenticate(state, &head.headers, any_host, permit, peer) {
        Ok(user) => user,
        Err(refusal) => return *refusal,
    };
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let request = RequestInfo { segments, query, user, peer };
    if is_read {
        return catch_panics(|| read(state, &request, &head.headers));
    }
    write(state, &request, (&head.method, &head.headers), body, phase).await
}

async fn write(
    state: &AppState,
    request: &RequestInfo<'_>,
    (method, headers): (&Method, &HeaderMap),
    body: Incoming,
    phase: &ConnectionPhase,
) -> Response {
    if let Some(refusal) = state.options.access.refuse_write(method, headers) {
        return refusal;
    }
    match read_body(body, phase).await {
        Ok(body) => catch_panics(|| actions::handle(state, request, &body)),
        Err(refusal) => refusal,
    }
}

/// Returns the user's name, or a refusal of the host name, password or token.
fn authenticate(
    state: &AppState,
    headers: &HeaderMap,
    any_host: bool,
    permit: &ConnectionPermit,
    peer: IpAddr,
) -> Result<String, Box<Response>> {
    let access = &state.options.access;
    if let (false, Some(refusal)) = (any_host, access.refuse_host(headers)) {
        return Err(Box::new(refusal));
    }
    access.authenticate(headers).ok_or_else(|| {
        permit.mark_refused();
        on_login_failure(state, headers, peer);
        Box::new(response::unauthorized(access.password.is_some()))
    })
}

/// Logs a wrong password or token and delays the response. A request without credentials is no failure: browsers send
/// the first one that way.
fn on_login_failure(state: &AppState, headers: &HeaderMap, peer: IpAddr) {
    if !headers.contains_key(AUTHORIZATION) {
        return;
    }
    if let Some(report) = state.login_failures.record(peer, Instant::now()) {
        log::warn!(target: "rq_rs", "{report}");
    }
    // Each connection has a thread of its own, so this delays no other client.
    std::thread::sleep(AUTH_FAILURE_DELAY);
}

async fn read_body(body: Incoming, phase: &ConnectionPhase) -> Result<Map<String, Value>, Response> {
    let size = body.size_hint().upper().unwrap_or(u64::MAX);
    if size > MAX_BODY_SIZE as u64 {
        return Err(response::error_and_close(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is too large",
            "at most 64 KiB",
        ));
    }
    phase.expect_body(size);
    let Ok(body) = Limited::new(body, MAX_BODY_SIZE).collect().await else {
        return Err(response::error_and_close(StatusCode::BAD_REQUEST, "the body did not arrive", ""));
    };
    match serde_json::from_slice(&body.to_bytes()) {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(response::error(StatusCode::BAD_REQUEST, "the body must be a JSON object", "as in {}")),
    }
}

fn read(state: &AppState, request: &RequestInfo<'_>, headers: &HeaderMap) -> Response {
    match request.segments.as_slice() {
        ["metrics"] => match crate::metrics::render(&state.client) {
            Ok((page, _)) => response::ok("text/plain; version=0.0.4; charset=utf-8", page),
            Err(error) => response::from_error(&error),
        },
        _ if state.options.metrics_only => response::not_found("there are /metrics, /livez and /readyz here"),
        ["assets", name] => assets::file(name, headers),
        ["api", path @ ..] => api::read(state, path, &request.query, &request.user),
        page if assets::is_page(page) => assets::index(&state.options.url_prefix),
        // The page itself shows that nothing is there, in the user's language.
        _ => {
            let mut response = assets::index(&state.options.url_prefix);
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// Turns a panic of a handler into a response with status 500.
fn catch_panics(respond: impl FnOnce() -> Response) -> Response {
    catch_unwind(AssertUnwindSafe(respond)).unwrap_or_else(|_| {
        log::error!(target: "rq_rs", "dashboard: a page panicked; this is a bug of rq-rs");
        response::error_and_close(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here", "")
    })
}

#[cfg(test)]
mod tests {
    use super::{catch_panics, response};

    #[test]
    fn a_panic_becomes_an_error_of_one_response() {
        assert_eq!(catch_panics(|| panic!("a bug")).status(), 500);
        assert_eq!(catch_panics(|| response::ok(response::TEXT, "fine")).status(), 200);
    }
}
