//! Threads that turn signals and keys into events.

use std::sync::mpsc::Sender;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, getsid};
use ratatui::crossterm::event::{self, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use super::model::UiEvent;
use super::screen;
use crate::cli::exit::{Exit, Failure};

/// Starts the thread for signals. The first signal to end is an event; the second one ends the program at once, even
/// when the terminal accepts no more output and the event loop hangs.
pub(super) fn watch_signals(events: Sender<UiEvent>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP])?;
    std::thread::spawn(move || {
        let mut is_quitting = false;
        for signal in signals.forever() {
            if signal == SIGTSTP {
                let _ = events.send(UiEvent::Background);
            } else if std::mem::replace(&mut is_quitting, true) {
                screen::restore();
                std::process::exit(Exit::Done as i32);
            } else {
                let _ = events.send(UiEvent::Quit);
            }
        }
    });
    Ok(())
}

/// Starts the thread for keys.
pub(super) fn watch_keys(events: Sender<UiEvent>) {
    std::thread::spawn(move || {
        loop {
            let event = match event::read() {
                Ok(event::Event::Key(key)) if key.kind != KeyEventKind::Release => UiEvent::Key(key),
                Ok(event::Event::Resize(..)) => UiEvent::Resized,
                Ok(_) => continue,
                Err(_) => UiEvent::Quit,
            };
            let is_last = matches!(event, UiEvent::Quit);
            if events.send(event).is_err() || is_last {
                return;
            }
        }
    });
}

/// Sends SIGTSTP to the process group, as the terminal does on Ctrl-Z outside raw mode. Returns false where no shell
/// could continue the process: in `ssh -t HOST rq-rs top`, or in a container.
pub(super) fn request_background() -> bool {
    let has_shell = getsid(None).is_ok_and(|session| session != getpgrp());
    has_shell && kill(Pid::from_raw(0), Signal::SIGTSTP).is_ok()
}
