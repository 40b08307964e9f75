//! Redis as this crate sees it: an address, connections that are never trusted twice, and
//! scripts. Knows no jobs.

mod address;
mod connection;
mod scripts;

pub(crate) use address::Address;
pub(crate) use connection::{Patience, Redis, Reply, Stream};
pub(crate) use scripts::Script;
