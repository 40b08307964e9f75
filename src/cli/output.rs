//! What people and scripts read: lines, tables, JSON, and colour only on a terminal.

use std::io::{IsTerminal, Write, stderr, stdout};

use chrono::{DateTime, Local, Utc};
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::exit::Failure;
use crate::queue::all_names;
use crate::store::Store;
use crate::worker::Printable;

pub(crate) type Done = Result<(), Failure>;

/// A line on standard output.
pub(crate) fn say(text: impl std::fmt::Display) -> Done {
    Ok(writeln!(stdout().lock(), "{text}")?)
}

/// A value as JSON on standard output.
pub(crate) fn say_json(value: &impl Serialize) -> Done {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    say(text)
}

/// A line on standard error, which no script reads as data.
pub(crate) fn note(text: impl std::fmt::Display) {
    // Nowhere is left to say that standard error is closed.
    let _ = writeln!(stderr().lock(), "{text}");
}

/// Something that is most likely not as it is meant to be, and keeps nothing from going on.
pub(crate) fn warn(what: impl std::fmt::Display) {
    note(format_args!("warning: {what}"));
}

/// An error in two lines: what happened, and what to do.
pub(crate) fn complain(failure: &Failure) {
    let Some((what, hint)) = failure.words() else { return };
    let (red, plain) = if colours(&stderr()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    note(format_args!("{red}error:{plain} {what}"));
    if let Some(hint) = hint {
        note(format_args!(" hint: {hint}"));
    }
}

/// Colours are for terminals, and for people who did not ask for none (<https://no-color.org>).
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !is_set("NO_COLOR") && !dumb
}

/// A table without frames, cut at the edge of a terminal; columns whose heading begins with `>` are aligned right.
pub(crate) fn table(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(heading.iter().map(|text| text.trim_start_matches('>')));
    // Names and states are text of unknown origin.
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| Printable(cell).to_string())));
    for (column, text) in table.column_iter_mut().zip(heading) {
        column.set_padding((0, 2));
        if text.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let width = terminal_size::terminal_size().filter(|_| stdout().is_terminal());
    let width = width.map_or(usize::MAX, |(width, _)| usize::from(width.0));
    let fit = |line: String| match line.trim_end().char_indices().nth(width) {
        Some(_) => line.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        None => line.trim_end().to_owned(),
    };
    table.lines().map(fit).collect::<Vec<String>>().join("\n")
}

/// Text of a job on one line, at most so many characters, without control characters.
pub(crate) fn short(text: &str, width: usize) -> String {
    let text = Printable(text.lines().next().unwrap_or_default()).to_string();
    match text.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// `2026-11-22 21:33:05 +01:00`, in local time.
pub(crate) fn moment(time: DateTime<Utc>) -> String {
    time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// `21:33:05`, with the date when it is not today.
pub(crate) fn clock(time: Option<DateTime<Utc>>) -> String {
    let Some(time) = time.map(|time| time.with_timezone(&Local)) else {
        return "–".to_owned();
    };
    let today = Local::now().date_naive() == time.date_naive();
    time.format(if today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" }).to_string()
}

/// The same, with the zone: `21:33:05 +01:00`.
pub(crate) fn zoned_clock(time: Option<DateTime<Utc>>) -> String {
    let zone = time.map(|time| time.with_timezone(&Local).format(" %:z").to_string());
    clock(time) + &zone.unwrap_or_default()
}

/// A queue that nobody knows is most likely a slip of the fingers.
pub(crate) fn note_unknown(store: &Store, names: &[String]) -> Done {
    let known = all_names(store)?;
    for name in names.iter().filter(|name| !known.contains(name)) {
        note(format_args!("note: nothing was ever enqueued to {}", short(name, 60)));
    }
    Ok(())
}

/// "1 job", "2 jobs".
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
