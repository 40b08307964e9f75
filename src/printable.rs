//! Text of unknown origin for logs and terminals: escaped, so that no job can forge a line, move the cursor or change
//! the direction of writing.

use std::fmt::{self, Display, Formatter, Write};

const MAX_SHORT_CHARS: usize = 300;

/// Returns whether a terminal would act on the character, or text can be hidden with it.
pub(crate) fn needs_escaping(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first 300 characters of a text, escaped, on one line.
pub(crate) struct ShortLine<'a>(pub(crate) &'a str);

impl Display for ShortLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(MAX_SHORT_CHARS).map(|(end, _)| end);
        OneLine(&self.0[..end.unwrap_or(self.0.len())]).fmt(f)?;
        f.write_str(if end.is_some() { "…" } else { "" })
    }
}

/// Returns the first line of a text, escaped, at most `width` characters of it.
pub(crate) fn first_line(text: &str, width: usize) -> String {
    let text = ShortLine(text.lines().next().unwrap_or_default()).to_string();
    match text.char_indices().nth(width) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A whole text, escaped, on one line.
pub(crate) struct OneLine<T>(pub(crate) T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(EscapingWriter(f), "{}", self.0)
    }
}

/// A writer that escapes characters as Rust does in a literal.
pub(crate) struct EscapingWriter<W>(pub(crate) W);

impl<W: Write> Write for EscapingWriter<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(needs_escaping) {
            let c = rest[at..].chars().next().unwrap_or_default();
            write!(self.0, "{}{}", &rest[..at], c.escape_default())?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::{OneLine, ShortLine};

    #[test]
    fn text_of_jobs_cannot_forge_lines() {
        let text = "a\nb\r\u{1b}[31m\u{202e}ö\u{9b}\u{200f}";
        let escaped = r"a\nb\r\u{1b}[31m\u{202e}ö\u{9b}\u{200f}";
        assert_eq!(ShortLine(text).to_string(), escaped);
        assert_eq!(OneLine(format_args!("{text}")).to_string(), escaped);
        assert_eq!(ShortLine(&"x".repeat(1000)).to_string().chars().count(), 301);
        assert_eq!(OneLine("x".repeat(1000)).to_string().len(), 1000);
    }
}
