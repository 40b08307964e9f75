//! Python RQ and rq-rs on the same queues. Everything here is real: rq 3.0.0, rq 2.10, rq-dashboard,
//! django-rq, rq-exporter, in environments that `sh tests/interop/python/setup.sh` makes.

#![allow(missing_docs, clippy::unwrap_used, clippy::too_many_lines)]

mod both_ways;
mod control;
mod dashboard;
mod dependents;
mod docs;
mod drop_in;
mod dumps;
mod fleet;
mod pages;
mod python;
mod strangers;
#[allow(dead_code, unused_imports)]
#[path = "../behaviour/support/mod.rs"]
mod support;
mod time;
mod values;
