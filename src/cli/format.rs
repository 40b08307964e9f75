//! Text for people: tables, times, counted nouns, and lines that fit.

use std::io::{IsTerminal, stdout};

use chrono::{DateTime, Local, Utc};
use comfy_table::{CellAlignment, Table};

use crate::printable::ShortLine;

/// The lines of a table without frames, cut at the edge of a terminal; columns whose heading begins with `>` are
/// aligned right.
pub(crate) fn table(heading: &[&str], rows: Vec<Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(heading.iter().map(|text| text.trim_start_matches('>')));
    // A cell with a newline would be two lines.
    table.add_rows(rows.iter().map(|row| row.iter().map(|cell| ShortLine(cell).to_string())));
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
    table.lines().map(fit).collect()
}

/// `2026-11-22 21:33:05 +01:00`, in local time.
pub(crate) fn local_time(time: DateTime<Utc>) -> String {
    time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// `21:33:05`, with the date when it is not today.
pub(crate) fn clock_time(time: Option<DateTime<Utc>>) -> String {
    let Some(time) = time.map(|time| time.with_timezone(&Local)) else {
        return "–".to_owned();
    };
    let today = Local::now().date_naive() == time.date_naive();
    time.format(if today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" }).to_string()
}

/// The same, with the zone: `21:33:05 +01:00`.
pub(crate) fn clock_time_with_zone(time: Option<DateTime<Utc>>) -> String {
    let zone = time.map(|time| time.with_timezone(&Local).format(" %:z").to_string());
    clock_time(time) + &zone.unwrap_or_default()
}

/// "1 job", "2 jobs".
pub(crate) fn pluralize(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A name as a shell takes it for one word.
pub(crate) fn shell_quote(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.:@%+=".contains(c);
    match !name.is_empty() && name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}
