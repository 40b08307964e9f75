#![doc = include_str!("../README.md")]
#![deny(clippy::print_stdout, clippy::print_stderr)]
// Small builds compile the lower layers whole and use a part of them. The full build allows no dead code.
#![cfg_attr(not(all(feature = "dashboard", feature = "top")), allow(dead_code, unused_imports))]

// ARCHITECTURE.md is the map of this crate: the picture, a job's life, and which code goes where. In short, a job is
// encoded (`job`), stored and pushed by a script (`enqueue`), claimed with a lease (`claim`), run (`worker`), decided
// about (`job::verdict`), and written as finished, failed or queued again (`completion`, `finish`). Redis holds all
// state, and every change of it is one script in `lua/`.
//
// The modules form layers. A module imports from its own layer and from those below, never in a circle; the test
// `tests/behaviour/architecture.rs` holds that. From the bottom:

// Layer 0, without jobs: errors, the connections to a server, text for terminals.
mod error;
#[cfg(feature = "worker")]
mod printable;
mod program;
mod redis;

// Layer 1, without Redis: what a job is. Its record, payload and retry policy; the verdict on a run.
mod job;

// Layer 2, access to a deployment: keys and formats of the dialects, the client that sends commands and scripts.
mod client;
mod dialect;

// Layer 3, operations on jobs, queues and registries: each calls a script, or encodes and decodes its call.
#[cfg(feature = "cron")]
mod bounded_read;
#[cfg(feature = "worker")]
mod claim;
#[cfg(feature = "worker")]
mod completion;
#[cfg(feature = "cron")]
mod cron;
mod enqueue_call;
#[cfg(feature = "worker")]
mod finish;
mod job_handle;
#[cfg(feature = "worker")]
mod orphaned_ids;
mod queue;
#[cfg(feature = "worker")]
mod recover;
mod registry;
#[cfg(feature = "worker")]
mod server_info;
#[cfg(feature = "worker")]
mod stats;
mod worker_command;
#[cfg(feature = "worker")]
mod wrong_type;

// Layer 4, running jobs: the driver, its threads and child processes, heartbeat and maintenance.
#[cfg(feature = "worker")]
mod worker;

// Layer 5, for people: snapshots of a deployment, actions on many jobs, metrics; helpers for tests.
#[cfg(any(feature = "dashboard", feature = "top"))]
mod bulk;
#[cfg(feature = "cli")]
mod metrics;
#[cfg(feature = "cli")]
mod snapshot;
#[cfg(feature = "cron")]
pub mod testing;

// Layer 6, the user interfaces.
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "dashboard")]
mod dashboard;

#[cfg(feature = "cli")]
pub use cli::App;
#[cfg(feature = "cron")]
pub use cron::{Catchup, Cron, Overlap};
pub use dialect::Dialect;
pub use enqueue_call::Bulk;
pub use error::{Error, Result};
pub use job::{Attempt, Call, NewJob, PyValue, Record, Repeat, Retry, Serializer, Status, Ttl};
#[cfg(feature = "worker")]
pub use job::{GiveUp, Later};
pub use job_handle::Job;
pub use queue::Queue;
pub use registry::{Registry, Requeued};
#[cfg(feature = "worker")]
pub use worker::{Context, Event, Handlers, Run, Stopper, Summary, Worker};
