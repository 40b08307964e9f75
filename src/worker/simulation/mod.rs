//! The simulation of workers: a model of Redis in memory, and tests that run on it. Only compiled for tests.

mod differential;
#[allow(dead_code)] // The invariants are for the simulation, which follows.
mod model;
