//! What people and scripts read: lines, tables, JSON, and colour only on a terminal. Whatever a line is made of, it
//! stays one line, and nothing in it steers a terminal: all that is printed goes through here.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write, stderr, stdout};

use chrono::{DateTime, Local, Utc};
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::exit::{Exit, Failure};
use super::json::Safe;
use crate::error::Error;
use crate::odd::{Odd, is_wrong_type};
use crate::printable::{Line, Printable, is_odd};
use crate::queue::all_names;
use crate::store::Store;

pub(crate) type Done = Result<(), Failure>;

/// A line on standard output.
pub(crate) fn say(line: impl Display) -> Done {
    Ok(writeln!(stdout().lock(), "{}", Line(line))?)
}

/// Several of them.
pub(crate) fn say_all(lines: impl IntoIterator<Item = impl Display>) -> Done {
    let mut out = BufWriter::new(stdout().lock());
    lines.into_iter().try_for_each(|line| writeln!(out, "{}", Line(line)))?;
    Ok(out.flush()?)
}

/// A value as JSON on standard output.
pub(crate) fn say_json(value: &impl Serialize) -> Done {
    let mut out = BufWriter::new(stdout().lock());
    value.serialize(&mut json_to(&mut out)).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

type JsonTo<'a, 'b> = serde_json::Serializer<&'a mut BufWriter<StdoutLock<'b>>, Safe>;

fn json_to<'a, 'b>(out: &'a mut BufWriter<StdoutLock<'b>>) -> JsonTo<'a, 'b> {
    serde_json::Serializer::with_formatter(out, Safe::default())
}

/// A list as JSON on standard output, one item after the other: `fill` gets what prints one.
pub(crate) fn say_json_list<T: Serialize>(
    fill: impl FnOnce(&mut dyn FnMut(&T) -> Done) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let mut out = BufWriter::new(stdout().lock());
    let mut serializer = json_to(&mut out);
    let mut list = serializer.serialize_seq(None).map_err(io::Error::from)?;
    let exit = fill(&mut |item| Ok(list.serialize_element(item).map_err(io::Error::from)?))?;
    list.end().map_err(io::Error::from)?;
    writeln!(out)?;
    out.flush()?;
    Ok(exit)
}

/// What a job has written or returned, on standard output: as it is for scripts, and so that it does not steer a
/// terminal. Returns whether somebody still reads.
pub(crate) fn say_data(text: &str) -> Result<bool, Failure> {
    let mut out = stdout().lock();
    let is_odd = |c: char| is_odd(c) && c != '\n' && c != '\t';
    let text = match out.is_terminal() && text.contains(is_odd) {
        true => Cow::Owned(text.replace(is_odd, "\u{fffd}")),
        false => Cow::Borrowed(text),
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("cannot write: {error}"), "is the disk full?".into()))
        }
        written => Ok(written.is_ok()),
    }
}

/// Begins a screen anew, on a terminal.
pub(crate) fn clear() -> Done {
    let mut out = stdout().lock();
    if out.is_terminal() {
        out.write_all(b"\x1b[2J\x1b[H")?;
    }
    Ok(())
}

/// A line on standard error, which no script reads as data.
pub(crate) fn note(line: impl Display) {
    // Nowhere is left to say that standard error is closed.
    let _ = writeln!(stderr().lock(), "{}", Line(line));
}

/// Something that is most likely not as it is meant to be, and keeps nothing from going on.
pub(crate) fn warn(what: impl Display) {
    note(format_args!("warning: {what}"));
}

/// An error in two lines: what happened, and what to do. More lines of an error stand apart from what is ours.
pub(crate) fn complain(failure: &Failure) {
    let Some((what, hint)) = failure.words() else { return };
    let (red, plain) = if colours(&stderr()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    let mut lines = what.lines();
    let first = lines.next().unwrap_or_default();
    let _ = writeln!(stderr().lock(), "{red}error:{plain} {}", Line(first));
    lines.for_each(|line| note(format_args!("  {line}")));
    if let Some(hint) = hint {
        note(format_args!(" hint: {hint}"));
    }
}

/// Why something could not be done to one job of several. Redis' words for a key of another type name neither.
pub(crate) fn failure_of(store: &Store, id: &str, error: Error) -> Failure {
    if !is_wrong_type(&error) {
        return error.into();
    }
    let key = store.keys.job(id);
    let what = format!("job {id}: {key}, or a key of its queue, is of another type than it should be");
    Failure::Other(what, format!("another program uses it: see `TYPE {key}`, which should be a hash"))
}

/// Names the keys that were passed over; a command that has met any has not done all.
pub(crate) fn note_odd(odd: &Odd) -> Exit {
    for key in odd.keys() {
        note(format_args!("warning: {key} is of another type than it should be, and passed over"));
    }
    if odd.is_empty() { Exit::Done } else { Exit::Failed }
}

/// Colours are for terminals, and for people who did not ask for none (<https://no-color.org>).
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !is_set("NO_COLOR") && !dumb
}

/// The lines of a table without frames, cut at the edge of a terminal; columns whose heading begins with `>` are
/// aligned right.
pub(crate) fn table(heading: &[&str], rows: Vec<Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(heading.iter().map(|text| text.trim_start_matches('>')));
    // A cell with a newline would be two lines.
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
    table.lines().map(fit).collect()
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
    if names.is_empty() {
        return Ok(());
    }
    let known = all_names(store, &mut Odd::default())?;
    for name in names.iter().filter(|name| !known.contains(name)) {
        note(format_args!("note: nothing was ever enqueued to {}", short(name, 60)));
    }
    Ok(())
}

/// "1 job", "2 jobs".
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
