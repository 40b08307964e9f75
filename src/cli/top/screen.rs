//! The terminal: put into full-screen mode, and restored however the program ends.

use std::io::{BufWriter, Stdout, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use signal_hook::consts::SIGTSTP;
use signal_hook::low_level::emulate_default_handler;

use super::state::State;
use super::view;
use crate::cli::exit::Failure;

/// True while the terminal is in full-screen mode.
static IS_FULL_SCREEN: AtomicBool = AtomicBool::new(false);

/// The buffer makes one write of each frame, which matters over ssh.
type Backend = CrosstermBackend<BufWriter<Stdout>>;

const BUFFER_SIZE: usize = 1 << 16;

pub(super) struct Screen {
    terminal: Terminal<Backend>,
}

impl Screen {
    pub(super) fn enter() -> Result<Self, Failure> {
        restore_on_panic();
        let terminal = enter_full_screen().and_then(|()| new_terminal());
        terminal.map(|terminal| Screen { terminal }).map_err(|error| {
            restore();
            error.into()
        })
    }

    pub(super) fn draw(&mut self, state: &mut State) -> Result<(), Failure> {
        self.terminal.draw(|frame| view::draw(frame, state))?;
        Ok(())
    }

    /// Clears the terminal, so that the next frame draws every cell again.
    pub(super) fn reset(&mut self) -> Result<(), Failure> {
        execute!(stdout(), Clear(ClearType::All))?;
        self.terminal = new_terminal()?;
        Ok(())
    }

    /// Restores the terminal and stops the process until SIGCONT.
    pub(super) fn go_to_background(&mut self) -> Result<(), Failure> {
        restore();
        let _ = emulate_default_handler(SIGTSTP);
        enter_full_screen()?;
        self.reset()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn new_terminal() -> std::io::Result<Terminal<Backend>> {
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(BUFFER_SIZE, stdout())))
}

fn enter_full_screen() -> std::io::Result<()> {
    IS_FULL_SCREEN.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, Hide)
}

/// Restores the terminal if it is in full-screen mode.
pub(super) fn restore() {
    if IS_FULL_SCREEN.swap(false, Ordering::SeqCst) {
        // Errors are of no interest: the terminal may be gone.
        let _ = execute!(stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// Restores the terminal before a panic of any thread is printed, and then ends the program.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print_panic = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            print_panic(panic);
            std::process::exit(101);
        }));
    });
}
