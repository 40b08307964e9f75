//! The simulation of workers: a model of Redis in memory, and tests that run on it. Only compiled for tests.

mod differential;
#[allow(dead_code, unused_imports)] // The tests that use all of it follow.
mod model;
