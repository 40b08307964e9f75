//! From a request to its answer.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use serde_json::{Map, Value};

use super::connections::ConnectionPermit;
use super::response::{self, Response};
use super::socket::{BlockingSocket, ConnectionPhase};
use super::state::{AppState, Query, RequestInfo, parts};
use super::{actions, api, assets};

/// The longest head, and the longest body.
const HEAD: usize = 16 * 1024;
const BODY: usize = 64 * 1024;
/// Who does not know the password waits for so long.
const AUTH_FAILURE_DELAY: Duration = Duration::from_millis(500);
/// A connection that gives hyper nothing to do so often in a row is given up.
const IDLE_TURNS: u32 = 1000;

impl AppState {
    /// Answers one connection until it ends.
    pub(super) fn serve(self: Arc<Self>, stream: TcpStream, guest: ConnectionPermit, peer: IpAddr) {
        let served = guest.twin();
        let wire = BlockingSocket::new(stream, guest);
        let (stage, progress) = (wire.stage(), wire.progress());
        let guest = Rc::new(RefCell::new(served));
        let service = service_fn(|request: Request<Incoming>| {
            let (site, stage, guest) = (Arc::clone(&self), stage.clone(), Rc::clone(&guest));
            async move { Ok::<_, Infallible>(site.answer(request, &stage, &guest, peer).await) }
        });
        let connection = http1::Builder::new()
            .half_close(true)
            .header_read_timeout(None)
            .max_buf_size(HEAD)
            .max_headers(64)
            .serve_connection(wire, service);
        let mut connection = pin!(connection);
        // Nobody needs to be woken: the socket waits instead of saying that it would have to.
        let mut context = Context::from_waker(Waker::noop());
        let (mut turns, mut moved) = (0, progress.get());
        while turns < IDLE_TURNS && connection.as_mut().poll(&mut context).is_pending() {
            turns = if progress.get() == moved { turns + 1 } else { 0 };
            moved = progress.get();
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        stage: &ConnectionPhase,
        guest: &RefCell<ConnectionPermit>,
        peer: IpAddr,
    ) -> Response {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let access = &self.options.access;
        if let Some(refusal) = access.check_form((head.version, &head.uri, &head.headers)) {
            return refusal;
        }
        let Some(path) = self.path(&path) else { return response::not_found("there is no such page") };
        let Some(parts) = parts(path) else { return response::not_found("there is no such page") };
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let is_reading = head.method == Method::GET || head.method == Method::HEAD;
        if guest.borrow().is_short && parts != ["livez"] {
            return response::refuse_and_close(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many are here",
                "come again",
            );
        }
        if let (true, ["livez" | "readyz"]) = (is_reading, parts.as_slice()) {
            return guarded(|| self.health.answer(&self.client, parts[0]));
        }
        // Prometheus calls a machine by the name it has there, and no page has a use for what it reads.
        let is_scrape = self.options.metrics_only || (is_reading && parts == ["metrics"]);
        if let (false, Some(refusal)) = (is_scrape, access.check_name(&head.headers)) {
            return refusal;
        }
        let Some(who) = access.who(&head.headers) else {
            guest.borrow().is_refused();
            self.has_failed(&head.headers, peer);
            return response::unauthorized(access.password.is_some());
        };
        let asked = RequestInfo { parts, query, who, peer };
        if is_reading {
            return guarded(|| self.read(&asked, &head.headers));
        }
        if let Some(refusal) = access.check_change(&head.method, &head.headers) {
            return refusal;
        }
        let size = body.size_hint().upper().unwrap_or(u64::MAX);
        if size > BODY as u64 {
            return response::refuse_and_close(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is too large",
                "at most 64 KiB",
            );
        }
        stage.expects(size);
        let Ok(body) = Limited::new(body, BODY).collect().await else {
            return response::refuse_and_close(StatusCode::BAD_REQUEST, "the body did not come", "");
        };
        let body: Map<String, Value> = match serde_json::from_slice(&body.to_bytes()) {
            Ok(Value::Object(body)) => body,
            _ => return response::refuse(StatusCode::BAD_REQUEST, "a JSON object is wanted", "as in {}"),
        };
        guarded(|| actions::act(self, &asked, &body))
    }

    /// Who gives a wrong password or token is told of, and waits. Browsers give none at first.
    fn has_failed(&self, headers: &HeaderMap, peer: IpAddr) {
        if !headers.contains_key(AUTHORIZATION) {
            return;
        }
        if let Some(line) = self.logins.fails(peer, Instant::now()) {
            log::warn!(target: "rq_rs", "{line}");
        }
        std::thread::sleep(AUTH_FAILURE_DELAY);
    }

    fn read(&self, asked: &RequestInfo<'_>, headers: &HeaderMap) -> Response {
        match asked.parts.as_slice() {
            ["metrics"] => match crate::metrics::page(&self.client) {
                Ok((page, _)) => response::ok("text/plain; version=0.0.4; charset=utf-8", page),
                Err(error) => response::failure(&error),
            },
            _ if self.options.metrics_only => {
                response::not_found("there are /metrics, /livez and /readyz here")
            }
            ["assets", name] => assets::find(name, headers),
            ["api", rest @ ..] => api::answer(self, rest, &asked.query, &asked.who),
            page if assets::is_page(page) => assets::index(&self.options.url_prefix),
            // The page says it, in the language of whoever looks.
            _ => {
                let mut answer = assets::index(&self.options.url_prefix);
                *answer.status_mut() = StatusCode::NOT_FOUND;
                answer
            }
        }
    }
}

/// A panic in one page is an error of that page.
fn guarded(answer: impl FnOnce() -> Response) -> Response {
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
        log::error!(target: "rq_rs", "dashboard: a page panicked; this is a bug of rq-rs");
        response::refuse_and_close(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here", "")
    })
}

#[cfg(test)]
mod tests {
    use super::{guarded, response};

    #[test]
    fn a_panic_is_an_error_of_one_page() {
        assert_eq!(guarded(|| panic!("a bug")).status(), 500);
        assert_eq!(guarded(|| response::ok(response::TEXT, "fine")).status(), 200);
    }
}
