//! The behaviour of rq-rs, one sentence a test, against a real redis-server that the tests start themselves.

#![allow(missing_docs, clippy::unwrap_used, clippy::too_many_lines)]

mod support;

mod architecture;
mod bad_input;
mod batches;
mod bounds;
mod calls;
mod commands;
mod config;
mod connections;
mod costs;
mod crash_points;
mod cron;
mod dashboard;
mod dashboard_safety;
mod delays;
mod dialects;
mod examples;
mod failing;
mod faithful;
mod isolation;
mod jobs;
mod keeping;
mod limits;
mod lists;
mod ordering;
mod outages;
mod places;
mod printing;
mod programs;
mod rate_limits;
mod readme;
mod records;
mod recovering;
mod regressions;
mod repeating;
mod requeueing;
mod seeing;
mod sentinel;
mod servers;
mod signals;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "top")]
mod top;
mod worker_life;
