//! Columns of each pane.

use super::model::Pane;

pub(super) struct Column {
    pub(super) title: &'static str,
    /// Width in characters; columns of width 0 share the rest.
    pub(super) width: u16,
    pub(super) is_number: bool,
    /// Width of the terminal below which the column is left out.
    pub(super) min_terminal_width: u16,
}

const fn text(title: &'static str, width: u16, min_terminal_width: u16) -> Column {
    Column { title, width, is_number: false, min_terminal_width }
}

const fn number(title: &'static str, width: u16, min_terminal_width: u16) -> Column {
    Column { title, width, is_number: true, min_terminal_width }
}

const QUEUES: &[Column] = &[
    text("queue", 0, 0),
    number("queued", 6, 0),
    number("running", 7, 30),
    number("failed", 6, 36),
    number("later", 6, 50),
    number("deferred", 8, 104),
    number("done", 6, 96),
    number("oldest", 7, 60),
    number("ok/h", 6, 68),
    number("failed/h", 8, 72),
    number("workers", 7, 84),
    text("", 9, 44),
];
const WORKERS: &[Column] = &[
    text("worker", 0, 0),
    text("state", 9, 30),
    text("queues", 18, 64),
    number("running", 7, 40),
    number("slots", 5, 50),
    number("done", 6, 76),
    number("failed", 6, 76),
    number("heard", 6, 40),
    text("host", 16, 104),
];
const RUNNING: &[Column] = &[
    text("job", 0, 0),
    number("for", 7, 0),
    text("queue", 12, 44),
    text("worker", 20, 72),
    text("id", 36, 110),
];
const FAILED: &[Column] = &[
    number("jobs", 6, 0),
    text("error", 0, 0),
    text("handler", 16, 60),
    text("queue", 12, 44),
    text("last", 16, 76),
];

/// Columns of the pane, in the order of the cells of its rows.
pub(super) fn of_pane(pane: Pane) -> &'static [Column] {
    match pane {
        Pane::Queues => QUEUES,
        Pane::Workers => WORKERS,
        Pane::Running => RUNNING,
        Pane::Failed => FAILED,
    }
}
