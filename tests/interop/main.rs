//! Python RQ and rq-rs on the same queues. The tests use the real packages rq 3.0.0, rq 2.10, rq-dashboard, django-rq
//! and rq-exporter, in environments that `sh tests/interop/python/setup.sh` makes.

#![allow(missing_docs, clippy::unwrap_used, clippy::too_many_lines)]

mod control;
mod dashboard;
mod dependents;
mod docs;
mod drop_in;
mod dumps;
mod fleet;
mod foreign_records;
mod pages;
mod python;
mod round_trips;
#[allow(dead_code, unused_imports)]
#[path = "../behaviour/support/mod.rs"]
mod support;
mod time;
mod values;
