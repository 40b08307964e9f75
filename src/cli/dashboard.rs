//! `rq-rs dashboard`, and the options that it shares with `worker --dashboard`.

use std::env::VarError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::exit::{Exit, Failure};
use super::logger::start_logger;
use super::output::eprint;
use super::redis_options::RedisOptions;
use super::signals::on_stop_signal;
use super::value_parsers::parse_switch;
use crate::client::Client;
use crate::dashboard::{self, DashboardOptions, Health, Secret, ServerHandle, StartError};

/// Serve the dashboard: a page, its JSON, and metrics for Prometheus
#[derive(Args)]
pub(crate) struct DashboardCommand {
    /// Address to listen on, HOST:PORT; one that other machines can reach needs a password or token
    #[arg(
        short,
        long,
        value_name = "ADDRESS",
        env = "RQ_RS_DASHBOARD",
        hide_env_values = true,
        default_value = "127.0.0.1:9181"
    )]
    listen: String,
    #[command(flatten)]
    access: AccessOptions,
    /// Show more
    #[arg(short, long)]
    verbose: bool,
    /// Log warnings only; the line with its address is printed all the same
    #[arg(short, long)]
    quiet: bool,
}

/// The ids of the options of [`AccessOptions`].
pub(crate) const ACCESS_OPTIONS: [&str; 7] =
    ["password-file", "token-file", "allowed-host", "metrics-listen", "read-only", "hide-args", "url-prefix"];

/// The options for access to the dashboard. In `worker` their names begin with `dashboard-`.
#[derive(Args)]
pub(crate) struct AccessOptions {
    /// A file with the password, or with sha256: and its digest; any user name is accepted, and logged [or: RQ_RS_DASHBOARD_PASSWORD]
    #[arg(
        id = "password-file",
        long,
        value_name = "FILE",
        env = "RQ_RS_DASHBOARD_PASSWORD_FILE",
        hide_env = true
    )]
    password_file: Option<PathBuf>,
    /// A file with a token for scripts and Prometheus, sent as "authorization: Bearer TOKEN" [or: RQ_RS_DASHBOARD_TOKEN]
    #[arg(id = "token-file", long, value_name = "FILE", env = "RQ_RS_DASHBOARD_TOKEN_FILE", hide_env = true)]
    token_file: Option<PathBuf>,
    /// A host name that browsers use for the dashboard, besides localhost and addresses; may be given several times
    #[arg(
        id = "allowed-host",
        long,
        value_name = "NAME",
        value_delimiter = ',',
        env = "RQ_RS_DASHBOARD_ALLOWED_HOST",
        hide_env = true
    )]
    allowed_host: Vec<String>,
    /// Serve /metrics, /livez and /readyz, and nothing else, at a HOST:PORT of their own
    #[arg(
        id = "metrics-listen",
        long,
        value_name = "ADDRESS",
        env = "RQ_RS_DASHBOARD_METRICS_LISTEN",
        hide_env = true
    )]
    metrics_listen: Option<String>,
    /// Show everything, change nothing
    #[arg(id = "read-only", long, env = "RQ_RS_DASHBOARD_READ_ONLY", hide_env = true, value_parser = parse_switch)]
    read_only: bool,
    /// Do not show arguments, meta, results and output of jobs
    #[arg(id = "hide-args", long, env = "RQ_RS_DASHBOARD_HIDE_ARGS", hide_env = true, value_parser = parse_switch)]
    hide_args: bool,
    /// The prefix that a proxy puts before every path, as in /rq
    #[arg(
        id = "url-prefix",
        long,
        value_name = "PATH",
        env = "RQ_RS_DASHBOARD_URL_PREFIX",
        hide_env = true,
        default_value = ""
    )]
    url_prefix: String,
}

/// The beginning of the names of [`AccessOptions`] in `dashboard`, for hints.
pub(crate) const OPTION_PREFIX: &str = "--";
pub(crate) const WORKER_OPTION_PREFIX: &str = "--dashboard-";

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Configuration(what, hint) => Failure::Usage(what, hint),
            StartError::System(what, hint) => Failure::Other(what, hint),
        }
    }
}

impl AccessOptions {
    fn options(&self, option_prefix: &'static str) -> Result<DashboardOptions, Failure> {
        let access = dashboard::Access {
            password: read_secret(self.password_file.as_deref(), "RQ_RS_DASHBOARD_PASSWORD")?,
            token: read_secret(self.token_file.as_deref(), "RQ_RS_DASHBOARD_TOKEN")?,
            allowed_hosts: self.allowed_host.clone(),
            is_read_only: self.read_only,
            option_prefix,
        };
        let prefix = self.url_prefix.trim_end_matches('/');
        let is_invalid = |c: char| !(c.is_ascii_alphanumeric() || "/-_.~".contains(c));
        if (!prefix.is_empty() && !prefix.starts_with('/'))
            || prefix.contains(is_invalid)
            || prefix.contains("//")
            || prefix.split('/').any(|part| part == "." || part == "..")
        {
            let what = format!("{:?} is not a prefix for paths", self.url_prefix);
            let hint = format!("as in {option_prefix}url-prefix /rq: letters, digits, - _ . ~");
            return Err(Failure::Usage(what, hint));
        }
        let url_prefix = prefix.to_owned();
        Ok(DashboardOptions { access, hide_args: self.hide_args, url_prefix, metrics_only: false })
    }

    /// Returns whether metrics and probes have an address of their own.
    pub(crate) fn has_metrics(&self) -> bool {
        self.metrics_listen.is_some()
    }

    /// Starts the server for metrics and probes, if they have an address of their own.
    pub(crate) fn start_metrics(
        &self,
        client: &Arc<Client>,
        option_prefix: &'static str,
        health: Health,
    ) -> Result<(), Failure> {
        let Some(address) = self.metrics_listen.as_deref() else { return Ok(()) };
        let mut options = self.options(option_prefix)?;
        (options.metrics_only, options.access.is_read_only) = (true, true);
        // This server is not stopped: it ends with the process.
        let server = dashboard::start(client, address, options, health)?;
        eprint(format_args!("metrics: http://{}/metrics", server.address()));
        Ok(())
    }

    /// Starts the server for the page, and prints its address.
    pub(crate) fn start(
        &self,
        client: &Arc<Client>,
        address: &str,
        option_prefix: &'static str,
        health: Health,
    ) -> Result<ServerHandle, Failure> {
        let options = self.options(option_prefix)?;
        let prefix = options.url_prefix.clone();
        let is_read_only = if options.access.is_read_only { ", read-only" } else { "" };
        let server = dashboard::start(client, address, options, health)?;
        eprint(format_args!("dashboard: http://{}{prefix}/{is_read_only}", server.address()));
        Ok(server)
    }
}

/// Reads a password or token from the file, if there is one, else from the variable.
fn read_secret(path: Option<&Path>, variable: &str) -> Result<Option<Secret>, Failure> {
    let text = match path {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
            Failure::Usage(
                format!("cannot read {}: {error}", path.display()),
                "the file holds one line".into(),
            )
        })?),
        None => match std::env::var(variable) {
            Ok(text) => Some(text).filter(|text| !text.is_empty()),
            Err(VarError::NotPresent) => None,
            // Without an error the dashboard would be open to everybody.
            Err(VarError::NotUnicode(_)) => {
                let what = format!("{variable} is not UTF-8");
                return Err(Failure::Usage(what, "choose another, or give its sha256: digest".into()));
            }
        },
    };
    Ok(text.map(|text| Secret::parse(&text)).transpose()?)
}

impl DashboardCommand {
    pub(crate) fn run(self, redis: &RedisOptions) -> Result<Exit, Failure> {
        start_logger(self.verbose, self.quiet);
        // The handlers come before the address is printed: whoever reads it may send a signal at once.
        on_stop_signal(|hangup| std::process::exit(hangup.exit_or(Exit::Done) as i32))?;
        let client = redis.connect_lazily()?;
        self.access.start_metrics(&client, OPTION_PREFIX, Health::default())?;
        let running = self.access.start(&client, &self.listen, OPTION_PREFIX, Health::default())?;
        running.wait();
        Ok(Exit::Done)
    }
}
