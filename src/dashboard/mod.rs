//! The page that tells what is happening, the JSON that it is drawn from, and what probes and Prometheus read. One
//! server with threads of its own, and connections of its own to Redis: a worker beside it is not slowed.

mod actions;
mod answer;
mod api;
mod assets;
mod guard;
mod guests;
mod health;
mod listener;
mod serve;
mod site;
mod wire;

use std::net::{TcpListener, ToSocketAddrs};
use std::sync::Arc;

use nix::sys::signal::SigSet;

use crate::error::{Error, Result};
use crate::store::Store;
pub(crate) use guard::{Access, Secret};
pub(crate) use health::Health;
pub(crate) use listener::Running;

/// What it shows, and to whom.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) access: Access,
    /// Whether arguments, results, meta and output are left out.
    pub(crate) hide_args: bool,
    /// What stands before every path, as in `/rq`; empty, or without a slash at its end.
    pub(crate) url_prefix: String,
    /// Whether there is nothing but what probes and Prometheus ask for.
    pub(crate) is_for_machines: bool,
}

/// Listens, and answers from now on.
///
/// # Errors
/// [`Error::Invalid`] when the address is none or taken, or others could reach it and nobody needs a password.
pub(crate) fn start(store: &Arc<Store>, address: &str, options: Options, health: Health) -> Result<Running> {
    let wrong = |what: String, hint: &str| Error::invalid(what, hint);
    let addresses = address.to_socket_addrs().map_err(|error| {
        wrong(
            format!("the dashboard cannot listen on {address:?}: {error}"),
            "give HOST:PORT, as in 127.0.0.1:9181",
        )
    })?;
    let addresses: Vec<_> = addresses.collect();
    if options.access.is_open() && addresses.iter().any(|address| !address.ip().is_loopback()) {
        return Err(wrong(
            format!("whoever reaches {address} could see and change all jobs"),
            "set a password in RQ_RS_DASHBOARD_PASSWORD or --password-file, or a token, or listen on 127.0.0.1",
        ));
    }
    let listener = TcpListener::bind(addresses.as_slice()).map_err(|error| {
        wrong(
            format!("the dashboard cannot listen on {address}: {error}"),
            "choose another port, or 0 for any that is free",
        )
    })?;
    let site = site::Site { store: Arc::clone(store), options, health };
    listener::start(listener, site)
        .map_err(|error| wrong(format!("the dashboard has no thread: {error}"), ""))
}

/// Signals are for the thread that waits for them.
fn signals_go_elsewhere() {
    let _ = SigSet::all().thread_block();
}
