//! `rq-rs metrics`

use clap::Args;

use super::exit::{Exit, Failure};
use super::output::print_lines;
use super::redis_options::RedisOptions;
use super::reports::report_wrong_types;
use crate::metrics::render;

/// Print metrics in Prometheus' text format, with the names of rq-exporter; reads only
#[derive(Args)]
pub(crate) struct MetricsCommand {}

impl MetricsCommand {
    pub(crate) fn run(self, redis: &RedisOptions) -> Result<Exit, Failure> {
        let (page, wrong_type_keys) = render(&*redis.connect()?)?;
        print_lines(page.lines())?;
        Ok(report_wrong_types(&wrong_type_keys))
    }
}
