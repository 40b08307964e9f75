//! Entries that are due again and again: when ([`schedule`]), what ([`entry`]), the one place where a tick becomes
//! a job ([`ticker`]), and what people see of it ([`book`]).

pub(crate) mod book;
mod entry;
mod fields;
mod schedule;
mod ticker;

pub use entry::{Catchup, Cron, Overlap};
pub(crate) use ticker::{Ticked, Ticker, run_now};
