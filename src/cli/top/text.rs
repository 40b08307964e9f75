//! Texts of unknown origin, and numbers, as they fit a cell.

use crate::printable::first_line;

/// Longer ones are cut.
const LONGEST: usize = 400;

/// On one line, without what moves a cursor, turns the direction of writing, or is as wide as each terminal likes.
pub(super) fn clean(text: &str) -> String {
    let is_seen = |c: &char| {
        !matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    first_line(text, LONGEST).chars().filter(is_seen).collect()
}

/// `1234`, `123k`, `12M`: six characters at most.
pub(super) fn number(n: u64) -> String {
    match n {
        0..100_000 => n.to_string(),
        100_000..10_000_000 => format!("{}k", n / 1000),
        10_000_000..10_000_000_000 => format!("{}M", n / 1_000_000),
        _ => format!("{}G", n / 1_000_000_000),
    }
}

/// `5s`, `2m05s`, `3h07m`, `12d`.
pub(super) fn span(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..172_800 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d", s / 86_400),
    }
}

/// `12.3 MiB`.
pub(super) fn bytes(n: u64) -> String {
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
    use super::{bytes, clean, number, span};

    #[test]
    fn texts_of_jobs_move_nothing() {
        assert_eq!(clean("a\x1b[2Jb\u{202e}c\u{200b}d\ne"), "a\\u{1b}[2Jb\\u{202e}cd");
        assert_eq!(clean("작업 ✔\u{fe0f}"), "작업 ✔");
    }

    #[test]
    fn numbers_stay_narrow() {
        assert_eq!(
            [99_999, 100_000, 12_345_678, u64::MAX / 1_000_000_000].map(number).join(" "),
            "99999 100k 12M 18G"
        );
        assert_eq!([0.4, 59.9, 125.0, 11_220.0, 1e6].map(span).join(" "), "0s 59s 2m05s 3h07m 11d");
        assert_eq!([512, 2048, 3 << 40].map(bytes).join(" "), "512 B 2.0 KiB 3.0 TiB");
    }
}
