//! Signals, for programs that run for long. A signal that was ignored when the program was started stays ignored:
//! HUP by `nohup`, INT by a script's `command &`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use super::exit::{Exit, Failure};
use crate::worker::Stopper;

/// Whether HUP was among the signals that have ended a program.
#[derive(Clone, Default)]
pub(super) struct HangupFlag(Arc<AtomicBool>);

impl HangupFlag {
    /// The exit code of a program that would end with this one. A hangup is no reason for a supervisor to leave it
    /// ended: `Restart=on-failure` brings it back, as it brings back RQ's workers, which HUP kills.
    pub(super) fn or(&self, exit: Exit) -> Exit {
        if self.0.load(Ordering::Relaxed) { Exit::Hangup } else { exit }
    }

    fn note(&self, signal: i32) {
        if signal == SIGHUP {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// INT, TERM and HUP stop the worker, a second one stops it now; TSTP quiets it, CONT lets it go on.
pub(super) fn install_signal_handlers(stopper: &Stopper) -> anyhow::Result<HangupFlag> {
    install_pause_handlers(stopper.clone())?;
    let stop = stopper.clone();
    install_stop_handlers(move |_| stop.signal())
}

/// INT, TERM and HUP, for a command that has nothing to wait for.
pub(super) fn on_stop_signal(
    stop: impl Fn(&HangupFlag) + Send + Sync + 'static,
) -> Result<HangupFlag, Failure> {
    install_stop_handlers(stop).map_err(|error| {
        Failure::Other(format!("cannot handle signals: {error}"), "is another handler set?".into())
    })
}

fn install_stop_handlers(end: impl Fn(&HangupFlag) + Send + Sync + 'static) -> anyhow::Result<HangupFlag> {
    let (hangup, end) = (HangupFlag::default(), Arc::new(end));
    let (on_int, heard) = (Arc::clone(&end), hangup.clone());
    // It refuses where INT has another handler already, or is ignored.
    match ctrlc::try_set_handler(move || on_int(&heard)) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => {}
        Err(error) => return Err(error.into()),
    }
    let mut signals = Signals::new([SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)))?;
    let heard = hangup.clone();
    spawn_thread("rq-rs signals", move || {
        for signal in signals.forever() {
            heard.note(signal);
            end(&heard);
        }
    })?;
    Ok(hangup)
}

/// What was sent last counts. So nobody is interrupted by these: they are taken one by one, and the system forgets a
/// TSTP that waits when CONT is sent, and the other way round. Comes before any thread is made, because threads take
/// over what is blocked.
fn install_pause_handlers(stopper: Stopper) -> anyhow::Result<()> {
    let heard: Vec<i32> = [SIGTSTP, SIGCONT].into_iter().filter(|signal| !is_ignored(*signal)).collect();
    let mut blocked = SigSet::empty();
    for signal in &heard {
        blocked.add(Signal::try_from(*signal)?);
    }
    blocked.thread_block()?;
    // A thread that was there before, or that is starting a program, can still be interrupted.
    let mut others = Signals::new(heard)?;
    let also = stopper.clone();
    spawn_thread("rq-rs pauses", move || {
        others.forever().for_each(|signal| apply_pause_signal(&also, signal))
    })?;
    spawn_thread("rq-rs pauses", move || {
        while let Ok(signal) = blocked.wait() {
            apply_pause_signal(&stopper, signal as i32);
        }
    })
}

fn apply_pause_signal(stopper: &Stopper, signal: i32) {
    if signal == SIGTSTP { stopper.quiet() } else { stopper.go_on() }
}

fn spawn_thread(name: &str, body: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body)?;
    Ok(())
}

/// Whether this process ignores the signal, because whoever started it wanted that. Linux says so in a file; where
/// there is none, nothing is known and the signal is heard.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
