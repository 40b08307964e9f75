//! The dashboard: its page, the JSON behind the page, and what probes and Prometheus read. A server with threads and
//! Redis connections of its own, so that it does not slow down a worker in the same process.

mod actions;
mod api;
mod assets;
mod auth;
mod connections;
mod health;
mod listener;
mod login_failures;
mod pending;
mod request;
mod response;
mod router;
mod serve;
mod socket;
mod state;

use std::io::ErrorKind;
use std::net::{TcpListener, ToSocketAddrs};
use std::sync::Arc;

use crate::client::Client;
pub(crate) use auth::{Access, Secret};
pub(crate) use health::Health;
pub(crate) use listener::ServerHandle;
use login_failures::LoginFailures;
use state::AppState;
pub(crate) use state::DashboardOptions;

/// Reason why the dashboard does not start: a message and a hint.
pub(crate) enum StartError {
    /// The options are wrong.
    Configuration(String, String),
    /// The system refuses the address or the thread; the same options may work later.
    System(String, String),
}

/// Starts the server on `address` and returns once it listens.
///
/// # Errors
/// The address is invalid or taken, or other machines could reach it and neither a password nor a token is set.
pub(crate) fn start(
    client: &Arc<Client>,
    address: &str,
    options: DashboardOptions,
    health: Health,
) -> Result<ServerHandle, StartError> {
    let addresses: Vec<_> =
        address.to_socket_addrs().map_err(|error| invalid_address(address, &error))?.collect();
    if options.access.is_open() && addresses.iter().any(|address| !address.ip().is_loopback()) {
        return Err(unprotected(address, &options));
    }
    let listener = TcpListener::bind(addresses.as_slice()).map_err(|error| {
        let message = format!("the dashboard cannot listen on {address}: {error}");
        StartError::System(message, "choose another port, or 0 for any that is free".to_owned())
    })?;
    let state =
        AppState { client: Arc::clone(client), options, health, login_failures: LoginFailures::default() };
    listener::start(listener, state).map_err(|error| {
        let message = format!("the dashboard cannot start: {error}");
        StartError::System(message, "look at the system's limits".to_owned())
    })
}

fn invalid_address(address: &str, error: &std::io::Error) -> StartError {
    let message = format!("the dashboard cannot listen on {address:?}: {error}");
    match error.kind() {
        ErrorKind::InvalidInput => {
            StartError::Configuration(message, "give HOST:PORT, as in 127.0.0.1:9181".to_owned())
        }
        // The host name does not resolve now.
        _ => {
            StartError::System(message, "check the name, or give an address, as in 127.0.0.1:9181".to_owned())
        }
    }
}

fn unprotected(address: &str, options: &DashboardOptions) -> StartError {
    let exposure = match options.metrics_only {
        true => "could see the names of all queues, handlers and workers",
        false => "could see and change all jobs",
    };
    let hint = format!(
        "set a password in RQ_RS_DASHBOARD_PASSWORD or {0}password-file, or a token in RQ_RS_DASHBOARD_TOKEN or {0}token-file, or listen on 127.0.0.1",
        options.access.option_prefix
    );
    StartError::Configuration(format!("whoever reaches {address} {exposure}"), hint)
}
