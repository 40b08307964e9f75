//! Standard output and standard error. All commands print through here: a line stays one line whatever text it
//! contains, and no text can send control sequences to the terminal.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write, stderr, stdout};

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::exit::{Exit, Failure};
use super::json::TerminalSafeJson;
use crate::printable::{OneLine, needs_escaping};

pub(crate) type PrintResult = Result<(), Failure>;

/// Prints a line on standard output.
pub(crate) fn print(line: impl Display) -> PrintResult {
    Ok(writeln!(stdout().lock(), "{}", OneLine(line))?)
}

/// Prints several lines on standard output.
pub(crate) fn print_lines(lines: impl IntoIterator<Item = impl Display>) -> PrintResult {
    let mut out = BufWriter::new(stdout().lock());
    lines.into_iter().try_for_each(|line| writeln!(out, "{}", OneLine(line)))?;
    Ok(out.flush()?)
}

/// Prints a value as JSON on standard output.
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

/// Prints a list as JSON on standard output without holding it in memory: `fill` gets a function that prints an item.
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

/// Prints the output or the result of a job on standard output: unchanged for scripts, without control characters for
/// a terminal. Returns whether standard output is still open.
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

/// Clears the screen, if standard output is a terminal.
pub(crate) fn clear_screen() -> PrintResult {
    let mut out = stdout().lock();
    if out.is_terminal() {
        out.write_all(b"\x1b[2J\x1b[H")?;
    }
    Ok(())
}

/// Prints a line on standard error, which scripts do not read as data.
pub(crate) fn eprint(line: impl Display) {
    // If standard error is closed, there is no place to report that.
    let _ = writeln!(stderr().lock(), "{}", OneLine(line));
}

/// Prints a warning on standard error.
pub(crate) fn warn(what: impl Display) {
    eprint(format_args!("warning: {what}"));
}

/// Prints an error and its hint on standard error. Further lines of the message, such as a traceback, are indented.
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

/// Returns whether a stream is a terminal that shows colours, and `NO_COLOR` (<https://no-color.org>) is not set.
pub(crate) fn wants_colour(stream: &impl IsTerminal) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !is_set("NO_COLOR") && !dumb
}
