//! Limits on the size of a value that is shown.

use std::fmt::{self, Write};

use super::python::unpickle::unpickle;
use super::serializer::Serializer;

/// Returns whether a value can be shown in this many bytes of text, and without too much memory. Its size
/// in Redis says neither: a pickle may hold one list many times, and an object of a few bytes takes
/// hundreds in memory.
pub(crate) fn is_displayable_within(bytes: &[u8], max_bytes: usize) -> bool {
    let mut budget = SizeBudget { text: max_bytes, memory: MAX_MEMORY };
    match Serializer::detect(bytes) {
        Serializer::Json => budget.spend(bytes),
        // A pickle that cannot be read is shown as the reason, which is short.
        Serializer::Pickle => unpickle(bytes).map_or(true, |value| write!(budget, "{value}").is_ok()),
    }
}

/// Approximate limit of the memory in bytes that the values may take.
const MAX_MEMORY: usize = 8 * 1024 * 1024;

/// Remainder of the two limits.
struct SizeBudget {
    text: usize,
    memory: usize,
}

impl SizeBudget {
    /// Subtracts a text; returns false if it exceeds one of the limits.
    fn spend(&mut self, text: &[u8]) -> bool {
        // Approximate size of a value that begins with this byte.
        let size_of = |byte: &u8| match byte {
            b'{' => 700,
            b'[' | b'(' | b',' => 40,
            _ => 0,
        };
        let left =
            self.text.checked_sub(text.len()).zip(self.memory.checked_sub(text.iter().map(size_of).sum()));
        (self.text, self.memory) = left.unwrap_or_default();
        left.is_some()
    }
}

impl Write for SizeBudget {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.spend(text.as_bytes()) { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::is_displayable_within;

    #[test]
    fn a_shared_value_counts_each_time() {
        // Sixteen pairs, each of which holds the previous one twice.
        let doubling = [b"\x80\x04]\x94".as_slice(), &b"2\x86\x94".repeat(16), b"."].concat();
        assert!(!is_displayable_within(&doubling, 100_000));
        assert!(is_displayable_within(b"\x80\x04]\x94.", 100) && is_displayable_within(b"[1]", 100));
        assert!(!is_displayable_within(format!("[{}1]", "{\"\":0},".repeat(36_000)).as_bytes(), 1 << 18));
    }
}
