//! Texts of unknown origin made harmless, and numbers made short, for cells and lines.

use crate::printable::first_line;

/// Length to which texts are cut, in characters.
const MAX_LENGTH: usize = 400;

/// Reduces a text to one line without control characters, and without characters that change the direction of
/// writing or whose width depends on the terminal.
pub(super) fn sanitize(text: &str) -> String {
    let is_safe = |c: &char| {
        !matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    first_line(text, MAX_LENGTH).chars().filter(is_safe).collect()
}

/// `1234`, `123k`, `12M`: six characters at most.
pub(super) fn compact_number(n: u64) -> String {
    match n {
        0..100_000 => n.to_string(),
        100_000..10_000_000 => format!("{}k", n / 1000),
        10_000_000..10_000_000_000 => format!("{}M", n / 1_000_000),
        _ => format!("{}G", n / 1_000_000_000),
    }
}

/// `5s`, `2m05s`, `3h07m`, `12d`.
pub(super) fn compact_duration(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..172_800 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d", s / 86_400),
    }
}

/// `12.3 MiB`.
pub(super) fn byte_size(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{n} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::{byte_size, compact_duration, compact_number, sanitize};

    #[test]
    fn no_text_moves_the_cursor() {
        assert_eq!(sanitize("a\x1b[2Jb\u{202e}c\u{200b}d\ne"), "a\\u{1b}[2Jb\\u{202e}cd");
        assert_eq!(sanitize("작업 ✔\u{fe0f}"), "작업 ✔");
    }

    #[test]
    fn numbers_durations_and_sizes_are_short() {
        assert_eq!(
            [99_999, 100_000, 12_345_678, u64::MAX / 1_000_000_000].map(compact_number).join(" "),
            "99999 100k 12M 18G"
        );
        assert_eq!(
            [0.4, 59.9, 125.0, 11_220.0, 1e6].map(compact_duration).join(" "),
            "0s 59s 2m05s 3h07m 11d"
        );
        assert_eq!([512, 2048, 3 << 40].map(byte_size).join(" "), "512 B 2.0 KiB 3.0 TiB");
    }
}
