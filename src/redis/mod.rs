//! Redis as a server: its address, its connections, time limits. Knows nothing of jobs.

mod address;
mod connection;
mod diagnosis;
mod parameters;
mod pipelined;
mod pool;
mod reply;
mod sentinel;
mod sentinel_url;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;

pub(crate) use address::Address;
pub(crate) use connection::{Redis, SendMode};
pub(crate) use pipelined::PipelinedConnection;
pub(crate) use reply::Reply;
pub(crate) use timeouts::{DEFAULT_TIMEOUT, Timeouts};
