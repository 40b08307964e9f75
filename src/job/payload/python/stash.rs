//! How a `PyValue` passes through serde without losing its kind. Serde's data model has no set and
//! no `datetime`, so the value itself is handed over beside the model: put down right before the
//! call, picked up by the first thing the other side does, on the same thread.

use std::cell::Cell;

use super::PyValue;

/// The name under which our own serializer and deserializer know that a value was put down.
pub(super) const NAME: &str = "rq_rs::PyValue";

/// Whether somebody who asks for a type of this name takes the exact value.
pub(crate) fn is_py_value(name: &str) -> bool {
    name == NAME
}

thread_local! {
    static STASH: Cell<Option<PyValue>> = const { Cell::new(None) };
}

pub(super) fn stash(value: PyValue) {
    STASH.set(Some(value));
}

pub(super) fn take_stashed() -> Option<PyValue> {
    STASH.take()
}
