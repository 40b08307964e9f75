//! The terminal: taken, and given back whatever happens.

use std::io::{BufWriter, Stdout, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, getsid};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::Event;
use super::state::State;
use super::view;
use crate::cli::exit::{Exit, Failure};

/// Whether the terminal is ours now.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// One write for a whole picture, which matters over ssh.
type Out = CrosstermBackend<BufWriter<Stdout>>;

pub(super) struct Screen {
    terminal: Terminal<Out>,
}

impl Screen {
    pub(super) fn enter() -> Result<Self, Failure> {
        leave_on_panic();
        let taken = take().and_then(|()| terminal());
        taken.map(|terminal| Screen { terminal }).map_err(|error| {
            leave();
            error.into()
        })
    }

    pub(super) fn draw(&mut self, state: &mut State) -> Result<(), Failure> {
        self.terminal.draw(|frame| view::draw(frame, state))?;
        Ok(())
    }

    /// Draws everything again next time, whatever others have written over it.
    pub(super) fn renew(&mut self) -> Result<(), Failure> {
        execute!(stdout(), Clear(ClearType::All))?;
        self.terminal = terminal()?;
        Ok(())
    }

    /// Stands still, with the terminal as it was, until it is told to go on.
    pub(super) fn sleep(&mut self) -> Result<(), Failure> {
        leave();
        let _ = emulate_default_handler(SIGTSTP);
        take()?;
        self.renew()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn terminal() -> std::io::Result<Terminal<Out>> {
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(1 << 16, stdout())))
}

fn take() -> std::io::Result<()> {
    IS_OURS.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, Hide)
}

/// Gives it back, once.
fn leave() {
    if IS_OURS.swap(false, Ordering::SeqCst) {
        // A terminal that is gone needs nothing.
        let _ = execute!(stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// What a panic says can be read, in whatever thread it is; and it ends the program.
fn leave_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            usual(panic);
            std::process::exit(101);
        }));
    });
}

/// The first one is an event; the second one ends the program even when the terminal takes no more text.
pub(super) fn hear_signals(tell: Sender<Event>) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP])?;
    std::thread::spawn(move || {
        let mut is_second = false;
        for signal in signals.forever() {
            if signal == SIGTSTP {
                let _ = tell.send(Event::Sleep);
            } else if std::mem::replace(&mut is_second, true) {
                leave();
                std::process::exit(Exit::Done as i32);
            } else {
                let _ = tell.send(Event::End);
            }
        }
    });
    Ok(())
}

/// What Ctrl-Z does on a terminal that is not ours: all that belongs to this command line stands still. Returns
/// false where no shell could wake it: in `ssh -t HOST rq-rs top`, in a container.
pub(super) fn ask_for_sleep() -> bool {
    let has_shell = getsid(None).is_ok_and(|session| session != getpgrp());
    has_shell && kill(Pid::from_raw(0), Signal::SIGTSTP).is_ok()
}

pub(super) fn hear_keys(tell: Sender<Event>) {
    std::thread::spawn(move || {
        loop {
            let event = match event::read() {
                Ok(event::Event::Key(key)) if key.kind != KeyEventKind::Release => Event::Key(key),
                Ok(event::Event::Resize(..)) => Event::Resized,
                Ok(_) => continue,
                Err(_) => Event::End,
            };
            let is_last = matches!(event, Event::End);
            if tell.send(event).is_err() || is_last {
                return;
            }
        }
    });
}
