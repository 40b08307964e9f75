//! Text for people: tables, times, nouns with a number, quoted words.

use std::io::{IsTerminal, stdout};

use chrono::{DateTime, Local, Utc};
use comfy_table::{CellAlignment, Table};

use crate::printable::ShortLine;

/// Formats a table without borders, each row as a line, truncated to the width of the terminal. Columns whose heading
/// begins with `>` are right-aligned.
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

/// Formats a time in the local zone: `2026-11-22 21:33:05 +01:00`.
pub(crate) fn local_time(time: DateTime<Utc>) -> String {
    time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// Formats the local time of day, `21:33:05`, or `2026-11-22 21:33` if the day is not today.
pub(crate) fn clock_time(time: Option<DateTime<Utc>>) -> String {
    let Some(time) = time.map(|time| time.with_timezone(&Local)) else {
        return "–".to_owned();
    };
    let today = Local::now().date_naive() == time.date_naive();
    time.format(if today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" }).to_string()
}

/// Formats the local time of day like [`clock_time`], followed by its offset: `21:33:05 +01:00`.
pub(crate) fn clock_time_with_zone(time: Option<DateTime<Utc>>) -> String {
    let zone = time.map(|time| time.with_timezone(&Local).format(" %:z").to_string());
    clock_time(time) + &zone.unwrap_or_default()
}

/// Puts a noun behind its number: "1 job", "2 jobs".
pub(crate) fn pluralize(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Quotes a name for a shell if it contains special characters.
pub(crate) fn shell_quote(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.:@%+=".contains(c);
    match !name.is_empty() && name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}
