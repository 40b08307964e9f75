//! Entries that are due again and again: when ([`schedule`]), what ([`entry`]), the one place where a tick becomes
//! a job ([`scheduler`]), what is written down of it ([`records`]), what people see of that ([`view`]), and its pauses ([`pause`]).

mod entry;
mod fields;
pub(crate) mod pause;
pub(crate) mod records;
mod schedule;
mod scheduler;
pub(crate) mod view;

pub use entry::{Catchup, Cron, Overlap};
pub(crate) use scheduler::{CronScheduler, TickOutcome, enqueue_now};
