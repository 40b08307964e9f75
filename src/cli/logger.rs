//! The log of the commands that run for long.

use std::io::Write;

use chrono::Local;
use log::LevelFilter;

use crate::printable::OneLine;

/// Starts logging to standard error, with the time of day before each line. `RUST_LOG` sets the level unless
/// `--verbose` or `--quiet` does.
pub(super) fn start_logger(is_verbose: bool, is_quiet: bool) {
    let level = match (is_verbose, is_quiet) {
        (true, _) => LevelFilter::Debug,
        (_, true) => LevelFilter::Warn,
        _ => LevelFilter::Info,
    };
    let mut log = env_logger::Builder::new();
    let filter = std::env::var("RUST_LOG").unwrap_or_default();
    if !names_a_level_for_all(&filter) {
        log.filter_module("rq_rs", level);
    }
    log.parse_filters(&filter);
    if is_verbose || is_quiet {
        log.filter_module("rq_rs", level);
    }
    // Text of a job, or a name, must not forge a second line.
    let started = log
        .format(|line, record| {
            writeln!(line, "{} {}", Local::now().format("%H:%M:%S"), OneLine(record.args()))
        })
        .try_init();
    if started.is_err() {
        log::debug!("the program has a logger of its own");
    }
}

/// Returns whether a filter of `RUST_LOG` has a level for all crates, as in `warn` or `info,sqlx=off`. Filters that
/// name only other crates leave our level as it is.
fn names_a_level_for_all(filter: &str) -> bool {
    let names = filter.split('/').next().unwrap_or_default();
    names.split(',').any(|part| part.trim().parse::<LevelFilter>().is_ok())
}
