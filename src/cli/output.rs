//! What people and scripts read: lines, tables, JSON, and colour only on a terminal. Whatever a line is made of, it
//! stays one line, and nothing in it steers a terminal: all that is printed goes through here.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write, stderr, stdout};

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::exit::{Exit, Failure};
use super::json::TerminalSafeJson;
use crate::printable::{OneLine, needs_escaping};

pub(crate) type PrintResult = Result<(), Failure>;

/// A line on standard output.
pub(crate) fn print(line: impl Display) -> PrintResult {
    Ok(writeln!(stdout().lock(), "{}", OneLine(line))?)
}

/// Several of them.
pub(crate) fn print_lines(lines: impl IntoIterator<Item = impl Display>) -> PrintResult {
    let mut out = BufWriter::new(stdout().lock());
    lines.into_iter().try_for_each(|line| writeln!(out, "{}", OneLine(line)))?;
    Ok(out.flush()?)
}

/// A value as JSON on standard output.
pub(crate) fn print_json(value: &impl Serialize) -> PrintResult {
    let mut out = BufWriter::new(stdout().lock());
    value.serialize(&mut json_serializer(&mut out)).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

type JsonSerializer<'a, 'b> = serde_json::Serializer<&'a mut BufWriter<StdoutLock<'b>>, TerminalSafeJson>;

fn json_serializer<'a, 'b>(out: &'a mut BufWriter<StdoutLock<'b>>) -> JsonSerializer<'a, 'b> {
    serde_json::Serializer::with_formatter(out, TerminalSafeJson::default())
}

/// A list as JSON on standard output, one item after the other: `fill` gets what prints one.
pub(crate) fn print_json_list<T: Serialize>(
    fill: impl FnOnce(&mut dyn FnMut(&T) -> PrintResult) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let mut out = BufWriter::new(stdout().lock());
    let mut serializer = json_serializer(&mut out);
    let mut list = serializer.serialize_seq(None).map_err(io::Error::from)?;
    let exit = fill(&mut |item| Ok(list.serialize_element(item).map_err(io::Error::from)?))?;
    list.end().map_err(io::Error::from)?;
    writeln!(out)?;
    out.flush()?;
    Ok(exit)
}

/// What a job has written or returned, on standard output: as it is for scripts, and so that it does not steer a
/// terminal. Returns whether somebody still reads.
pub(crate) fn print_raw(text: &str) -> Result<bool, Failure> {
    let mut out = stdout().lock();
    let is_odd = |c: char| needs_escaping(c) && c != '\n' && c != '\t';
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
pub(crate) fn clear_screen() -> PrintResult {
    let mut out = stdout().lock();
    if out.is_terminal() {
        out.write_all(b"\x1b[2J\x1b[H")?;
    }
    Ok(())
}

/// A line on standard error, which no script reads as data.
pub(crate) fn eprint(line: impl Display) {
    // Nowhere is left to say that standard error is closed.
    let _ = writeln!(stderr().lock(), "{}", OneLine(line));
}

/// Something that is most likely not as it is meant to be, and keeps nothing from going on.
pub(crate) fn warn(what: impl Display) {
    eprint(format_args!("warning: {what}"));
}

/// An error in two lines: what happened, and what to do. More lines of an error stand apart from what is ours.
pub(crate) fn print_error(failure: &Failure) {
    let Some((what, hint)) = failure.message_and_hint() else { return };
    let (red, plain) = if wants_colour(&stderr()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    let mut lines = what.lines();
    let first = lines.next().unwrap_or_default();
    let _ = writeln!(stderr().lock(), "{red}error:{plain} {}", OneLine(first));
    lines.for_each(|line| eprint(format_args!("  {line}")));
    if let Some(hint) = hint {
        eprint(format_args!(" hint: {hint}"));
    }
}

/// Colours are for terminals, and for people who did not ask for none (<https://no-color.org>).
pub(crate) fn wants_colour(stream: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !is_set("NO_COLOR") && !dumb
}
