#![doc = include_str!("../README.md")]
#![deny(clippy::print_stdout, clippy::print_stderr)]
// The lower floors are built whole; small builds use a part of them. The full build allows nothing.
#![cfg_attr(not(all(feature = "dashboard", feature = "top")), allow(dead_code, unused_imports))]

// floor 0
mod error;
#[cfg(feature = "worker")]
mod printable;
mod program;
mod redis;
// floor 1
mod job;
// floor 2
mod client;
mod dialect;
// floor 3
#[cfg(feature = "cron")]
mod bounded_read;
#[cfg(feature = "worker")]
mod claim;
#[cfg(feature = "worker")]
mod completion;
#[cfg(feature = "cron")]
mod cron;
mod enqueue;
#[cfg(feature = "worker")]
mod finish;
mod job_handle;
mod queue;
#[cfg(feature = "worker")]
mod recover;
mod registry;
#[cfg(feature = "worker")]
mod server_info;
#[cfg(feature = "worker")]
mod stats;
mod worker_command;
#[cfg(feature = "cron")]
mod wrong_type;
// floor 4
#[cfg(feature = "worker")]
mod worker;

// floor 5
#[cfg(any(feature = "dashboard", feature = "top"))]
mod bulk;
#[cfg(feature = "cli")]
mod metrics;
#[cfg(feature = "cli")]
mod snapshot;
#[cfg(feature = "cron")]
pub mod testing;
// floor 6
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "dashboard")]
mod dashboard;

#[cfg(feature = "cli")]
pub use cli::App;
#[cfg(feature = "cron")]
pub use cron::{Catchup, Cron, Overlap};
pub use dialect::Dialect;
pub use enqueue::Bulk;
pub use error::{Error, Result};
pub use job::{Attempt, Call, NewJob, PyValue, Record, Repeat, Retry, Serializer, Status, Ttl};
#[cfg(feature = "worker")]
pub use job::{GiveUp, Later};
pub use job_handle::Job;
pub use queue::Queue;
pub use registry::{Registry, Requeued};
#[cfg(feature = "worker")]
pub use worker::{Context, Event, Handlers, Run, Stopper, Summary, Worker};
