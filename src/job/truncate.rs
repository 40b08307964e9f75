//! Text of unknown size and origin, made fit to be kept.

/// Error text is kept up to this size; more is cut, and says so.
const ERROR_LIMIT: usize = 64 * 1024;

/// The text of an error as it is kept.
pub(crate) fn truncate_error(text: &str) -> String {
    cut(text, ERROR_LIMIT)
}

/// At most `limit` bytes of a text, its beginning and its end, with a note of what was left out.
fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(limit * 3 / 4);
    let tail = text.ceil_char_boundary(text.len() - limit / 4);
    format!("{}\n… cut: {} of {} bytes left out …\n{}", &text[..head], tail - head, text.len(), &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_cut_says_so_and_keeps_both_ends() {
        assert_eq!(cut("short", 64), "short");
        let long = format!("first {} last", "ö".repeat(10_000));
        let short = cut(&long, 1000);
        assert!(short.len() < 1100, "{}", short.len());
        assert!(short.starts_with("first ö") && short.ends_with("ö last"));
        assert!(short.contains("of 20011 bytes left out"), "{short}");
    }
}
