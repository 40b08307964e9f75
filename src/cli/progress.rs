//! A bar on standard error, on a terminal only. Our own: what libraries have beside it (estimates) pulls in the
//! mathematics library, a third of a megabyte in every idle worker.

use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::printable::Line;

const WIDTH: usize = 30;
/// A terminal need not show more.
const DRAWN_EVERY: Duration = Duration::from_millis(100);

/// How far a long work has come.
pub(crate) struct Progress {
    total: usize,
    /// `None` where nobody looks.
    shown: Option<Mutex<Shown>>,
}

#[derive(Default)]
struct Shown {
    done: usize,
    message: String,
    drawn_at: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(total: usize, is_quiet: bool) -> Self {
        let is_seen = !is_quiet && stderr().is_terminal();
        Progress { total, shown: is_seen.then(Mutex::default) }
    }

    /// So many are done.
    pub(crate) fn set(&self, done: usize) {
        self.change(|shown| shown.done = done);
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        self.change(|shown| shown.done += 1);
    }

    pub(crate) fn say(&self, message: String) {
        self.change(|shown| shown.message = message);
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        let Some(shown) = &self.shown else { return };
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut shown);
        if shown.drawn_at.is_none_or(|at| at.elapsed() >= DRAWN_EVERY) {
            shown.drawn_at = Some(Instant::now());
            let full = (WIDTH * shown.done.min(self.total)).checked_div(self.total).unwrap_or(WIDTH);
            let (full, empty) = ("█".repeat(full), "░".repeat(WIDTH - full));
            draw(&format!("{full}{empty} {}/{} {}", shown.done, self.total, Line(&shown.message)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            draw("");
        }
    }
}

/// Over what stands there.
fn draw(line: &str) {
    let _ = write!(stderr().lock(), "\r{line}\x1b[K");
}
