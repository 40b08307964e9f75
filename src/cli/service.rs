//! What programs that run for long share: their log, and how they hear of signals.

use std::io::Write;

use chrono::Local;
use log::LevelFilter;
use signal_hook::consts::{SIGCONT, SIGTSTP};
use signal_hook::iterator::Signals;

use super::exit::Failure;
use crate::printable::Line;
use crate::worker::Stopper;

/// Lines with a clock on standard error. `RUST_LOG` says what is logged where nobody has typed it.
pub(super) fn start_log(is_verbose: bool, is_quiet: bool) {
    let level = match (is_verbose, is_quiet) {
        (true, _) => LevelFilter::Debug,
        (_, true) => LevelFilter::Warn,
        _ => LevelFilter::Info,
    };
    let mut log = env_logger::Builder::new();
    match std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty()) {
        Some(filter) => drop(log.parse_filters(&filter)),
        None => drop(log.filter_module("rq_rs", level)),
    }
    if is_verbose || is_quiet {
        log.filter_module("rq_rs", level);
    }
    // What a job or a name holds does not become a second line.
    let started = log
        .format(|line, record| writeln!(line, "{} {}", Local::now().format("%H:%M:%S"), Line(record.args())))
        .try_init();
    if started.is_err() {
        log::debug!("the program has a logger of its own");
    }
}

/// INT, TERM and HUP stop the worker, a second one stops it now; TSTP quiets it, CONT lets it go on.
pub(super) fn hear_signals(stopper: Stopper) -> anyhow::Result<()> {
    let pause = stopper.clone();
    ctrlc::set_handler(move || stopper.signal())?;
    let mut signals = Signals::new([SIGTSTP, SIGCONT])?;
    std::thread::Builder::new().name("rq-rs signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGTSTP { pause.quiet() } else { pause.go_on() }
        }
    })?;
    Ok(())
}

/// INT, TERM and HUP, for a command that has nothing to wait for.
pub(super) fn hear_stop(stop: impl Fn() + Send + 'static) -> Result<(), Failure> {
    ctrlc::set_handler(stop).map_err(|error| {
        Failure::Other(format!("cannot hear signals: {error}"), "is another handler set?".into())
    })
}
