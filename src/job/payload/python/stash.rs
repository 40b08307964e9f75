//! Passes a `PyValue` through serde without loss. Serde's data model has no set and no `datetime`, so the
//! value itself travels beside the model: one side stashes it right before the call, and the first thing
//! that the other side does is to take it, on the same thread.

use std::cell::Cell;

use super::value::PyValue;

/// Name of the newtype struct by which our serializer and deserializer recognize a stashed value.
pub(super) const TYPE_NAME: &str = "rq_rs::PyValue";

thread_local! {
    static STASH: Cell<Option<PyValue>> = const { Cell::new(None) };
}

/// Returns whether a type that asks for this name takes the exact value.
#[cfg(feature = "worker")]
pub(crate) fn is_py_value(name: &str) -> bool {
    name == TYPE_NAME
}

pub(super) fn stash(value: PyValue) {
    STASH.set(Some(value));
}

pub(super) fn take_stashed() -> Option<PyValue> {
    STASH.take()
}
