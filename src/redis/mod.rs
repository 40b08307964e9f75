//! Redis as this crate sees it: an address, connections that are never trusted twice, and
//! scripts. Knows no jobs.

mod address;
mod connection;
mod diagnosis;
mod patience;
mod pool;
mod scripts;

pub(crate) use address::Address;
pub(crate) use connection::{Redis, Repeat, Reply, Stream};
pub(crate) use patience::{Patience, USUAL_LIMIT};
pub(crate) use scripts::Script;
