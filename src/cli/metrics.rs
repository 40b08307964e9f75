//! `rq-rs metrics`

use clap::Args;

use super::exit::{Exit, Failure};
use super::output::{note_odd, say_all};
use super::server::ServerOptions;
use crate::metrics::page;

/// Print what Prometheus reads, in its text format, with the names of rq-exporter; reads only
#[derive(Args)]
pub(crate) struct Metrics {}

impl Metrics {
    pub(crate) fn run(self, server: &ServerOptions) -> Result<Exit, Failure> {
        let (page, odd) = page(&*server.connect()?)?;
        say_all(page.lines())?;
        Ok(note_odd(&odd))
    }
}
