//! A progress bar on standard error, on terminals only. It is our own because the estimates of other crates link the
//! mathematics library, which costs every idle worker a third of a megabyte.

use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::printable::OneLine;

const WIDTH: usize = 30;
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

/// A progress bar, removed when it is dropped.
pub(crate) struct ProgressBar {
    total: usize,
    /// `None` if no bar is shown.
    state: Option<Mutex<BarState>>,
}

#[derive(Default)]
struct BarState {
    done: usize,
    message: String,
    last_drawn: Option<Instant>,
}

impl ProgressBar {
    pub(crate) fn new(total: usize, is_quiet: bool) -> Self {
        let is_visible = !is_quiet && stderr().is_terminal();
        ProgressBar { total, state: is_visible.then(Mutex::default) }
    }

    /// Sets the number of steps that are done.
    pub(crate) fn set_done(&self, done: usize) {
        self.update(|state| state.done = done);
    }

    /// Adds one step that is done.
    pub(crate) fn increment(&self) {
        self.update(|state| state.done += 1);
    }

    pub(crate) fn set_message(&self, message: String) {
        self.update(|state| state.message = message);
    }

    fn update(&self, change: impl FnOnce(&mut BarState)) {
        let Some(state) = &self.state else { return };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if state.last_drawn.is_none_or(|at| at.elapsed() >= REDRAW_INTERVAL) {
            state.last_drawn = Some(Instant::now());
            let filled = (WIDTH * state.done.min(self.total)).checked_div(self.total).unwrap_or(WIDTH);
            let (filled, empty) = ("█".repeat(filled), "░".repeat(WIDTH - filled));
            draw(&format!("{filled}{empty} {}/{} {}", state.done, self.total, OneLine(&state.message)));
        }
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if self.state.is_some() {
            draw("");
        }
    }
}

/// Replaces the current line of the terminal.
fn draw(line: &str) {
    let _ = write!(stderr().lock(), "\r{line}\x1b[K");
}
