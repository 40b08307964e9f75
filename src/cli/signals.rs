//! Signal handlers of the commands that run for long. A signal that the parent process ignores stays ignored, such as
//! HUP under `nohup`, or INT of a script's `command &`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use super::exit::{Exit, Failure};
use crate::worker::Stopper;

/// Remembers whether HUP was among the signals that have ended the process.
#[derive(Clone, Default)]
pub(super) struct HangupFlag(Arc<AtomicBool>);

impl HangupFlag {
    /// Returns the exit code of a hangup if there was one, else `exit`. With that code `Restart=on-failure` restarts
    /// the worker, as it restarts RQ's workers, which HUP kills.
    pub(super) fn exit_or(&self, exit: Exit) -> Exit {
        if self.0.load(Ordering::Relaxed) { Exit::Hangup } else { exit }
    }

    fn record(&self, signal: i32) {
        if signal == SIGHUP {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Lets signals control a worker: INT, TERM or HUP drains it, a second one terminates it; TSTP quiets it, and CONT
/// ends that.
pub(super) fn install_signal_handlers(stopper: &Stopper) -> anyhow::Result<HangupFlag> {
    install_pause_handlers(stopper.clone())?;
    let stop = stopper.clone();
    install_stop_handlers(move |_| stop.signal())
}

/// Calls `stop` on INT, TERM and HUP.
pub(super) fn on_stop_signal(
    stop: impl Fn(&HangupFlag) + Send + Sync + 'static,
) -> Result<HangupFlag, Failure> {
    install_stop_handlers(stop).map_err(|error| {
        Failure::Other(format!("cannot handle signals: {error}"), "is another handler set?".into())
    })
}

fn install_stop_handlers(end: impl Fn(&HangupFlag) + Send + Sync + 'static) -> anyhow::Result<HangupFlag> {
    let (hangup, end) = (HangupFlag::default(), Arc::new(end));
    let (on_int, flag) = (Arc::clone(&end), hangup.clone());
    // ctrlc refuses where INT has another handler, or is ignored.
    match ctrlc::try_set_handler(move || on_int(&flag)) {
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => {}
        Err(error) => return Err(error.into()),
    }
    let mut signals = Signals::new([SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)))?;
    let flag = hangup.clone();
    spawn_thread("rq-rs signals", move || {
        for signal in signals.forever() {
            flag.record(signal);
            end(&flag);
        }
    })?;
    Ok(hangup)
}

/// Handles TSTP and CONT in the order in which they were sent. They are blocked and read one by one: the kernel drops
/// a pending TSTP when CONT is sent, and a pending CONT when TSTP is sent, so the last one wins. This must precede the
/// first thread, because threads inherit the mask.
fn install_pause_handlers(stopper: Stopper) -> anyhow::Result<()> {
    let signals: Vec<i32> = [SIGTSTP, SIGCONT].into_iter().filter(|signal| !is_ignored(*signal)).collect();
    let mut blocked = SigSet::empty();
    for signal in &signals {
        blocked.add(Signal::try_from(*signal)?);
    }
    blocked.thread_block()?;
    // Threads that exist already do not have the mask, and neither has a thread that is starting a program.
    let mut interrupts = Signals::new(signals)?;
    let for_interrupts = stopper.clone();
    spawn_thread("rq-rs pauses", move || {
        interrupts.forever().for_each(|signal| apply_pause_signal(&for_interrupts, signal));
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

/// Returns whether this process ignores the signal since its start. Linux lists ignored signals in a file; on other
/// systems none counts as ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
