//! The line of an error text that says what happened.

/// Heading of Python's traceback.
const TRACEBACK: &str = "Traceback (most recent call last)";
/// Heading of the traceback of an exception group, which is indented.
const GROUP_TRACEBACK: &str = "Exception Group Traceback (most recent call last)";
/// Note that Rust prints after a panic.
const PANIC_NOTE: &str = "note: run with `RUST_BACKTRACE=1`";
/// Texts of Rust's and glibc's allocators, and of Python, when memory is exhausted.
const OUT_OF_MEMORY: [&str; 3] = ["memory allocation of", "out of memory", "MemoryError"];

/// Returns the line that says what happened: the exception of a traceback, the message of a panic, the
/// first line of any other text.
pub(crate) fn error_line(text: &str) -> &str {
    let first = text.lines().next().unwrap_or_default();
    let line = match first {
        _ if first.contains(TRACEBACK) => traceback_line(text),
        _ if first.contains(PANIC_NOTE) || is_panic(first) => panic_message(text),
        _ => None,
    };
    line.unwrap_or(first)
}

/// Returns the line of a program's log that says why it ended: out of memory, the message of a panic, or
/// the last line.
pub(crate) fn relevant_log_line(log: &str) -> &str {
    let memory_line = log.lines().rev().find(|line| mentions_oom(line));
    let last = || log.lines().rev().find(|line| !line.trim().is_empty());
    let is_rust_panic = log.contains(PANIC_NOTE) || log.contains("stack backtrace:");
    memory_line.or_else(|| panic_message(log).filter(|_| is_rust_panic)).or_else(last).unwrap_or_default()
}

/// Returns whether a text says that memory is exhausted.
pub(crate) fn mentions_oom(text: &str) -> bool {
    OUT_OF_MEMORY.iter().any(|words| text.contains(words))
}

/// Returns the first line of the exception, which follows the indented calls.
fn traceback_line(text: &str) -> Option<&str> {
    if let Some((_, group)) = text.split_once(GROUP_TRACEBACK) {
        let inside = group.lines().filter_map(|line| line.trim_start().strip_prefix("| "));
        return inside.into_iter().find(|line| !line.starts_with(' '));
    }
    let (_, last) = text.rsplit_once(TRACEBACK)?;
    let lines = || last.lines().skip(1).filter(|line| !line.trim().is_empty());
    lines().find(|line| !line.starts_with(char::is_whitespace)).or_else(|| lines().last())
}

fn is_panic(line: &str) -> bool {
    line.contains("thread '") && line.contains("panicked at ")
}

/// Returns the message of the last panic, which is on the line after `thread 'main' panicked at
/// src/main.rs:2:5:`. Older Rust has it in that line.
fn panic_message(text: &str) -> Option<&str> {
    let mut lines = text.lines().rev().filter(|line| !line.trim().is_empty());
    let mut message = None;
    lines.find_map(|line| {
        let found = is_panic(line).then(|| if line.ends_with(':') { message.unwrap_or(line) } else { line });
        message = Some(line);
        found
    })
}

#[cfg(test)]
mod tests {
    use super::{error_line, relevant_log_line};

    #[test]
    fn error_line_finds_the_exception_or_the_panic() {
        let traceback = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\nValueError: one\nmore of it\n";
        let chained = format!(
            "{traceback}\nDuring handling of the above exception, another exception occurred:\n\n{traceback}"
        )
        .replace("one", "two");
        let group = "  + Exception Group Traceback (most recent call last):\n  |   File \"a.py\", line 1, in <module>\n  |     raise\n  | ExceptionGroup: many (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n    | ValueError: one\n    +------------------------------------\n";
        let panic = "was killed by signal 6 SIGABRT: note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n\nStandard error:\nthread 'main' panicked at src/main.rs:2:5:\nboom 7\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        for (text, line) in [
            ("first\nsecond", "first"),
            ("", ""),
            (traceback, "ValueError: one"),
            (&format!("resize failed: {traceback}\n\nStandard error:\nmore"), "ValueError: one"),
            (&chained, "ValueError: two"),
            (group, "ExceptionGroup: many (2 sub-exceptions)"),
            ("f failed: Traceback (most recent call last):\n  File \"a.py\"\n  cut off", "  cut off"),
            ("f failed: Traceback (most recent call last):", "f failed: Traceback (most recent call last):"),
            (panic, "boom 7"),
            (
                "t failed: thread 'main' (1) panicked at src/main.rs:2:5:\nindex out of bounds\nnote: run with",
                "index out of bounds",
            ),
            (
                "t failed: thread 'main' panicked at src/main.rs:2:5:",
                "t failed: thread 'main' panicked at src/main.rs:2:5:",
            ),
        ] {
            assert_eq!(error_line(text), line, "{text}");
        }
    }

    #[test]
    fn relevant_log_line_finds_the_reason() {
        let note = "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
        for (log, line) in [
            ("one\ntwo\n\n", "two"),
            (&*format!("starts\n\nthread 'main' panicked at src/main.rs:2:5:\nboom\n{note}\n"), "boom"),
            (&format!("thread 'main' (4711) panicked at src/main.rs:2:5:\nboom\nand more\n{note}\n"), "boom"),
            (
                &format!("thread 'main' panicked at 'boom', src/main.rs:2:5\n{note}\n"),
                "thread 'main' panicked at 'boom', src/main.rs:2:5",
            ),
            (
                "thread 'main' panicked at src/main.rs:2:5:\nboom\nstack backtrace:\n   0: std\n             at /x\n",
                "boom",
            ),
            ("memory allocation of 8 bytes failed\nlast", "memory allocation of 8 bytes failed"),
            ("", ""),
        ] {
            assert_eq!(relevant_log_line(log), line, "{log}");
        }
    }
}
