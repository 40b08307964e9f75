//! Writer of Python's pickle format.

mod memo_key;
mod objects;
mod output;
mod pickler;

pub(crate) use pickler::pickle;
