//! What programs that run for long share: their log.

use std::io::Write;

use chrono::Local;
use log::LevelFilter;

use crate::printable::OneLine;

/// Lines with a clock on standard error. `RUST_LOG` says what is logged where nobody has typed it.
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
    // What a job or a name holds does not become a second line.
    let started = log
        .format(|line, record| {
            writeln!(line, "{} {}", Local::now().format("%H:%M:%S"), OneLine(record.args()))
        })
        .try_init();
    if started.is_err() {
        log::debug!("the program has a logger of its own");
    }
}

/// As in `warn` or `info,sqlx=off`. What names other crates, or nothing that exists, does not silence this one.
fn names_a_level_for_all(filter: &str) -> bool {
    let names = filter.split('/').next().unwrap_or_default();
    names.split(',').any(|part| part.trim().parse::<LevelFilter>().is_ok())
}
