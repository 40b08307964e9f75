//! Reasons for which a pickle is refused.

/// The pickle ends too early.
pub(super) fn truncated() -> String {
    "the pickle is cut short".to_owned()
}

/// The pickle pops from an empty stack.
pub(super) fn underflow() -> String {
    "the pickle takes more than it made".to_owned()
}

/// The pickle holds an object that is not plain data.
pub(super) fn only_python(kind: &str) -> String {
    format!("the payload holds a {kind}, which only Python can read")
}
