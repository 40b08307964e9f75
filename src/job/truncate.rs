//! Truncation of error texts, which may be of any size.

/// Largest error text in bytes that is stored.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Returns an error text as it is stored, at most 64 KiB.
pub(crate) fn truncate_error(text: &str) -> String {
    truncate(text, MAX_ERROR_BYTES)
}

/// Returns about `limit` bytes of a text: the beginning and the end, with a line between them that says how
/// much was left out.
fn truncate(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(limit * 3 / 4);
    let tail = text.ceil_char_boundary(text.len() - limit / 4);
    format!("{}\n… cut: {} of {} bytes left out …\n{}", &text[..head], tail - head, text.len(), &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::truncate;

    #[test]
    fn a_truncated_text_says_so_and_keeps_both_ends() {
        assert_eq!(truncate("short", 64), "short");
        let long = format!("first {} last", "ö".repeat(10_000));
        let short = truncate(&long, 1000);
        assert!(short.len() < 1100, "{}", short.len());
        assert!(short.starts_with("first ö") && short.ends_with("ö last"));
        assert!(short.contains("of 20011 bytes left out"), "{short}");
    }
}
