//! A bar on standard error, on a terminal only. Our own: what libraries have beside it (estimates) pulls in the
//! mathematics library, a third of a megabyte in every idle worker.

use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::printable::OneLine;

const WIDTH: usize = 30;
/// A terminal need not show more.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

/// How far a long work has come.
pub(crate) struct ProgressBar {
    total: usize,
    /// `None` where nobody looks.
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
        let is_seen = !is_quiet && stderr().is_terminal();
        ProgressBar { total, state: is_seen.then(Mutex::default) }
    }

    /// So many are done.
    pub(crate) fn set_done(&self, done: usize) {
        self.update(|shown| shown.done = done);
    }

    /// One more is done.
    pub(crate) fn increment(&self) {
        self.update(|shown| shown.done += 1);
    }

    pub(crate) fn set_message(&self, message: String) {
        self.update(|shown| shown.message = message);
    }

    fn update(&self, change: impl FnOnce(&mut BarState)) {
        let Some(shown) = &self.state else { return };
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut shown);
        if shown.last_drawn.is_none_or(|at| at.elapsed() >= REDRAW_INTERVAL) {
            shown.last_drawn = Some(Instant::now());
            let full = (WIDTH * shown.done.min(self.total)).checked_div(self.total).unwrap_or(WIDTH);
            let (full, empty) = ("█".repeat(full), "░".repeat(WIDTH - full));
            draw(&format!("{full}{empty} {}/{} {}", shown.done, self.total, OneLine(&shown.message)));
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

/// Over what stands there.
fn draw(line: &str) {
    let _ = write!(stderr().lock(), "\r{line}\x1b[K");
}
