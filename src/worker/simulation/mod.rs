//! The simulation of workers: engines against a model of Redis in memory, in virtual time. A plan is made from a seed;
//! a world carries it out, with everything that may go wrong; a ledger checks after every step that no job is lost, run
//! twice without a cause, or left in a wrong state. Only compiled for tests; `tests.rs` says how to repeat a seed.

mod clock;
mod coverage;
mod defect;
mod differential;
mod events;
mod exchange_copy;
mod jobs;
mod ledger;
#[allow(dead_code, unused_imports)] // The tests that use all of it follow.
mod model;
mod plan;
mod redis;
mod schedule;
mod shrink;
mod tests;
mod trace;
mod world;
