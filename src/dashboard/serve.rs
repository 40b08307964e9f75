//! Serves one connection: drives hyper on a blocking socket.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::connections::ConnectionPermit;
use super::router;
use super::socket::BlockingSocket;
use super::state::AppState;

const MAX_HEAD_SIZE: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// Polls in a row without a read or write after which a connection is given up.
const MAX_IDLE_POLLS: u32 = 1000;

/// Responds to the requests of one connection until it ends.
pub(super) fn serve(state: &Arc<AppState>, stream: TcpStream, permit: ConnectionPermit, peer: IpAddr) {
    let shared_permit = Rc::new(permit.share());
    let socket = BlockingSocket::new(stream, permit);
    let (phase, operations) = (socket.phase(), socket.operations());
    let service = service_fn(|request: Request<Incoming>| {
        let (state, phase, permit) = (Arc::clone(state), phase.clone(), Rc::clone(&shared_permit));
        async move { Ok::<_, Infallible>(router::respond(&state, request, &phase, &permit, peer).await) }
    });
    let connection = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_SIZE)
        .max_headers(MAX_HEADERS)
        .serve_connection(socket, service);
    let mut connection = pin!(connection);
    // No waker is needed: the socket blocks instead of returning `Pending`.
    let mut context = Context::from_waker(Waker::noop());
    let (mut idle_polls, mut last_operations) = (0, operations.get());
    while idle_polls < MAX_IDLE_POLLS && connection.as_mut().poll(&mut context).is_pending() {
        idle_polls = if operations.get() == last_operations { idle_polls + 1 } else { 0 };
        last_operations = operations.get();
    }
}
