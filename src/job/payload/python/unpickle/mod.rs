//! Reader of Python's pickle format.

mod build;
#[cfg(feature = "worker")]
mod check;
mod hash_key;
mod known_class;
mod node;
mod numbers;
mod objects;
mod opcodes;
mod refusal;
mod strings;
mod unpickler;

#[cfg(test)]
mod tests;

#[cfg(feature = "worker")]
pub(crate) use check::check_pickle;
pub(crate) use unpickler::unpickle;
