//! `rq-rs metrics`

use clap::Args;

use super::exit::{Exit, Failure};
use super::output::say;
use super::server::ServerOptions;
use crate::metrics::page;

/// Print what Prometheus reads, in its text format, with the names of rq-exporter; reads only
#[derive(Args)]
pub(crate) struct Metrics {}

impl Metrics {
    pub(crate) fn run(self, server: &ServerOptions) -> Result<Exit, Failure> {
        say(page(&*server.connect()?)?.trim_end())?;
        Ok(Exit::Done)
    }
}
