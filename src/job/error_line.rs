//! The line of an error that says what happened, and what errors of one kind have in common.

/// What stands above the calls in Python's traceback.
const TRACEBACK: &str = "Traceback (most recent call last)";
const OF_GROUP: &str = "Exception Group Traceback (most recent call last)";
/// What Rust says behind a panic.
const RUST_NOTE: &str = "note: run with `RUST_BACKTRACE=1`";
/// What Rust's and glibc's allocators write before they abort.
const NO_MEMORY: [&str; 3] = ["memory allocation of", "out of memory", "MemoryError"];
/// How many characters of a kind are looked at.
const KEY: usize = 200;

/// The first line, but of a traceback that of its exception, and of a panic its message.
pub(crate) fn error_line(text: &str) -> &str {
    let first = text.lines().next().unwrap_or_default();
    let said = match first {
        _ if first.contains(TRACEBACK) => of_traceback(text),
        _ if first.contains(RUST_NOTE) || is_panic(first) => of_panic(text),
        _ => None,
    };
    said.unwrap_or(first)
}

/// The line of a program's log that says why it ended: what it says last, but for what stands behind a panic.
pub(crate) fn relevant_log_line(log: &str) -> &str {
    let of_memory = log.lines().rev().find(|line| mentions_oom(line));
    let last = || log.lines().rev().find(|line| !line.trim().is_empty());
    let is_of_rust = log.contains(RUST_NOTE) || log.contains("stack backtrace:");
    of_memory.or_else(|| of_panic(log).filter(|_| is_of_rust)).or_else(last).unwrap_or_default()
}

pub(crate) fn mentions_oom(text: &str) -> bool {
    NO_MEMORY.iter().any(|words| text.contains(words))
}

/// The exception stands behind the calls, which are indented; behind it may be more lines of its own.
fn of_traceback(text: &str) -> Option<&str> {
    if let Some((_, group)) = text.split_once(OF_GROUP) {
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

/// `thread 'main' panicked at src/main.rs:2:5:` and the message on the next line.
fn of_panic(text: &str) -> Option<&str> {
    let mut lines = text.lines().rev().filter(|line| !line.trim().is_empty());
    let mut message = None;
    lines.find_map(|line| {
        let found = is_panic(line).then(|| if line.ends_with(':') { message.unwrap_or(line) } else { line });
        message = Some(line);
        found
    })
}

/// What errors have in common that say the same of other things: the line without ids, addresses, numbers and quoted
/// values. That of a key is the key itself.
pub(crate) fn error_key(line: &str) -> String {
    let mut key = String::with_capacity(line.len().min(4 * KEY));
    let mut rest = line;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let size = match c {
            '\'' | '"' | '`' | '“' | '‘' if !before.is_alphanumeric() => quoted(rest, c),
            _ => None,
        };
        let word = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let taken = if let Some(size) = size {
            key.push_str("'…'");
            size
        } else if let Some(size) = uuid(rest).filter(|_| !before.is_alphanumeric()) {
            key.push('#');
            size
        } else if word > 0 {
            add_word(&mut key, &rest[..word]);
            word
        } else {
            key.push(c);
            c.len_utf8()
        };
        before = rest[..taken].chars().next_back().unwrap_or(' ');
        rest = &rest[taken..];
        join_numbers(&mut key);
    }
    key.chars().take(KEY).collect()
}

/// How long a quoted text is, with its quotes; an apostrophe opens none.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let close = match quote {
        '“' => '”',
        '‘' => '’',
        same => same,
    };
    let mut inside = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = inside.next() {
        let is_end = inside.peek().is_none_or(|(_, next)| !next.is_alphanumeric());
        if c == close && is_end {
            return Some(at + c.len_utf8());
        }
    }
    None
}

/// Hex digits in groups of 8, 4, 4, 4 and 12.
fn uuid(text: &str) -> Option<usize> {
    let head = text.as_bytes().get(..36)?;
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let is_over = text.as_bytes().get(36).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    (is_over && head.iter().enumerate().all(fits)).then_some(36)
}

/// A word that may be an id, or have a number in it.
fn add_word(key: &mut String, word: &str) {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_address = word.strip_prefix("0x").is_some_and(is_hex);
    let is_id = digits > 0 && (word.len() >= 8 && is_hex(word) || word.len() >= 12 && digits > 1);
    if is_address || is_id {
        key.push('#');
        return;
    }
    for c in word.chars() {
        match c.is_ascii_digit() {
            true if key.ends_with('#') => {}
            true => key.push('#'),
            false => key.push(c),
        }
    }
}

/// `1.5`, `10.0.0.1:6379` and `12:30:05` are numbers as `7` is.
fn join_numbers(key: &mut String) {
    while let Some(rest) = key.strip_suffix('#')
        && let Some(before) = rest.strip_suffix(['.', ',', ':', '-'])
        && before.ends_with('#')
    {
        let size = before.len();
        key.truncate(size);
    }
}

#[cfg(test)]
mod tests {
    use super::{error_key, error_line, relevant_log_line};

    #[test]
    fn the_line_that_says_what_happened() {
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
    fn the_last_words_of_a_program() {
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

    #[test]
    fn errors_that_differ_in_ids_numbers_and_values_are_of_one_kind() {
        for (one, key) in [
            (
                "the arguments of job 5b47c3de-0f64-4d92-9d4b-9a5b5d1f8a01 do not fit",
                "the arguments of job # do not fit",
            ),
            ("KeyError: 'ada@example.com'", "KeyError: '…'"),
            ("no such file: \"/tmp/a b\"; can't go on", "no such file: '…'; can't go on"),
            ("<Order object at 0x7f3a2c> is not callable", "<Order object at #> is not callable"),
            ("connect to 10.0.0.12:6379 timed out after 1.5 s", "connect to # timed out after # s"),
            ("order-4711 of user_12 is gone", "order-# of user_# is gone"),
            ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8 and 1a2b3c4d", "commit # and #"),
            ("token aB3dE5fG7hJ9kL is wrong", "token # is wrong"),
            ("boom", "boom"),
            ("größe 12 ist 'falsch", "größe # ist 'falsch"),
        ] {
            assert_eq!(error_key(one), key);
            assert_eq!(error_key(key), key);
        }
        assert_ne!(error_key("boom"), error_key("boomer"));
        for n in 0..300 {
            let long = format!("{}'some value' 12:30 {}", "word ".repeat(n % 45), "x1".repeat(n));
            let key = error_key(&long);
            assert_eq!(error_key(&key), key, "{long}");
        }
    }
}
