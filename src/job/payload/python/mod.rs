//! Python's plain data: the values, their text and JSON, and the pickle format.

pub(super) mod as_json;
mod as_text;
mod decimal;
pub(super) mod deserialize;
mod from_python;
mod integer;
pub(super) mod opcode;
pub(super) mod pickle;
mod repr;
mod serialize;
pub(super) mod size_check;
pub(super) mod stash;
pub(super) mod to_python;
pub(super) mod unpickle;
pub(super) mod value;
