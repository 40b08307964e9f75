//! Grouping of errors by what they have in common.

/// Largest length of a key in characters.
const MAX_KEY_CHARS: usize = 200;

/// Returns the error line without ids, addresses, numbers and quoted values, so that errors which differ
/// only in these have the same key. The key of a key is itself.
pub(crate) fn error_key(line: &str) -> String {
    let mut key = String::with_capacity(line.len().min(4 * MAX_KEY_CHARS));
    let mut rest = line;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let size = match c {
            '\'' | '"' | '`' | '“' | '‘' if !before.is_alphanumeric() => quoted_length(rest, c),
            _ => None,
        };
        let word = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let taken = if let Some(size) = size {
            key.push_str("'…'");
            size
        } else if let Some(size) = uuid_length(rest).filter(|_| !before.is_alphanumeric()) {
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
    key.chars().take(MAX_KEY_CHARS).collect()
}

/// Returns the length of a quoted text with its quotes; `None` for an apostrophe.
fn quoted_length(text: &str, quote: char) -> Option<usize> {
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

/// Returns the length of a UUID: hex digits in groups of 8, 4, 4, 4 and 12.
fn uuid_length(text: &str) -> Option<usize> {
    let head = text.as_bytes().get(..36)?;
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let is_over = text.as_bytes().get(36).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    (is_over && head.iter().enumerate().all(fits)).then_some(36)
}

/// Adds a word, with `#` for an id or for the numbers in it.
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

/// Joins the parts of `1.5`, `10.0.0.1:6379` and `12:30:05`, so that each is one number as `7` is.
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
    use super::error_key;

    #[test]
    fn errors_that_differ_in_ids_numbers_and_values_have_one_key() {
        for (text, key) in [
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
            assert_eq!(error_key(text), key);
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
