//! The page that tells what is happening, the JSON that it is drawn from, and what probes and Prometheus read. One
//! server with threads of its own, and connections of its own to Redis: a worker beside it is not slowed.

mod actions;
mod api;
mod assets;
mod auth;
mod connections;
mod health;
mod listener;
mod login_failures;
mod pending;
mod response;
mod serve;
mod socket;
mod state;

use std::io::ErrorKind;
use std::net::{TcpListener, ToSocketAddrs};
use std::sync::Arc;

use nix::sys::signal::SigSet;

use crate::client::Client;
pub(crate) use auth::{Access, Secret};
pub(crate) use health::Health;
pub(crate) use listener::ServerHandle;

/// What it shows, and to whom.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) access: Access,
    /// Whether arguments, results, meta and output are left out.
    pub(crate) hide_args: bool,
    /// What stands before every path, as in `/rq`; empty, or without a slash at its end.
    pub(crate) url_prefix: String,
    /// Whether there is nothing but what probes and Prometheus ask for.
    pub(crate) metrics_only: bool,
}

/// Why it does not listen: what, and a hint.
pub(crate) enum StartError {
    /// What was asked for is wrong.
    Configuration(String, String),
    /// The system does not do it, now at least.
    System(String, String),
}

/// Listens, and answers from now on.
///
/// # Errors
/// When the address is none or taken, or others could reach it and nobody needs a password.
pub(crate) fn start(
    client: &Arc<Client>,
    address: &str,
    options: Options,
    health: Health,
) -> Result<ServerHandle, StartError> {
    let addresses: Vec<_> = address.to_socket_addrs().map_err(|error| no_address(address, &error))?.collect();
    if options.access.is_open() && addresses.iter().any(|address| !address.ip().is_loopback()) {
        return Err(open_door(address, &options));
    }
    let listener = TcpListener::bind(addresses.as_slice()).map_err(|error| {
        let what = format!("the dashboard cannot listen on {address}: {error}");
        StartError::System(what, "choose another port, or 0 for any that is free".to_owned())
    })?;
    let site = state::AppState {
        client: Arc::clone(client),
        options,
        health,
        logins: login_failures::LoginFailures::default(),
    };
    listener::start(listener, site).map_err(|error| {
        StartError::System(
            format!("the dashboard cannot start: {error}"),
            "look at the system's limits".to_owned(),
        )
    })
}

fn no_address(address: &str, error: &std::io::Error) -> StartError {
    let what = format!("the dashboard cannot listen on {address:?}: {error}");
    match error.kind() {
        ErrorKind::InvalidInput => {
            StartError::Configuration(what, "give HOST:PORT, as in 127.0.0.1:9181".to_owned())
        }
        // A name that nobody knows now.
        _ => StartError::System(what, "check the name, or give an address, as in 127.0.0.1:9181".to_owned()),
    }
}

fn open_door(address: &str, options: &Options) -> StartError {
    let what = match options.metrics_only {
        true => "could see the names of all queues, handlers and workers",
        false => "could see and change all jobs",
    };
    let hint = format!(
        "set a password in RQ_RS_DASHBOARD_PASSWORD or {0}password-file, or a token in RQ_RS_DASHBOARD_TOKEN or {0}token-file, or listen on 127.0.0.1",
        options.access.dashes
    );
    StartError::Configuration(format!("whoever reaches {address} {what}"), hint)
}

/// Signals are for the thread that waits for them.
fn block_signals() {
    let _ = SigSet::all().thread_block();
}
