//! What programs that run for long share: their log.

use std::io::Write;

use chrono::Local;
use log::LevelFilter;

/// Lines with a clock on standard error.
pub(super) fn start_log(is_verbose: bool, is_quiet: bool) {
    let level = match (is_verbose, is_quiet) {
        (true, _) => LevelFilter::Debug,
        (_, true) => LevelFilter::Warn,
        _ => LevelFilter::Info,
    };
    let started = env_logger::Builder::new()
        .filter_module("rq_rs", level)
        .format(|line, record| writeln!(line, "{} {}", Local::now().format("%H:%M:%S"), record.args()))
        .try_init();
    if started.is_err() {
        log::debug!("the program has a logger of its own");
    }
}
