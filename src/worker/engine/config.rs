//! What the engine is given at its start, and the time that it is given with each call.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::dialect::DialectSpec;
use crate::worker::options::Options;

/// The present, by both clocks: one for intervals, one for timestamps in Redis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) utc: DateTime<Utc>,
}

/// Tells by its name whether a handler runs in a process.
type IsSupervised = Box<dyn Fn(Option<&str>) -> bool + Send>;

/// The constants of an engine.
pub(crate) struct Config {
    pub(crate) options: Arc<Options>,
    pub(crate) dialect: &'static DialectSpec,
    /// Returns `true` if jobs of this handler run in a process, whose supervisor enforces their deadline.
    pub(crate) is_supervised: IsSupervised,
    /// Seed of the engine's random numbers. Execution ids are made of them, so that no two workers may have the same seed.
    pub(crate) seed: u64,
}
