//! Entries that are due again and again: when ([`schedule`]), what ([`entry`]), the one place where a tick becomes
//! a job ([`ticker`]), what is written down of it ([`book`]), what people see of that ([`listed`]), and its pauses ([`pause`]).

pub(crate) mod book;
mod entry;
mod fields;
pub(crate) mod listed;
pub(crate) mod pause;
mod schedule;
mod ticker;

pub use entry::{Catchup, Cron, Overlap};
pub(crate) use ticker::{Ticked, Ticker, run_now};
