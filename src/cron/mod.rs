//! Cron entries ([`entry`]), their schedules ([`schedule`]) and ticks ([`tick`]), the scheduler that a worker runs
//! ([`scheduler`]), its records in Redis ([`records`], [`registration`]), and the views of entries ([`view`],
//! [`history`]) and actions on them ([`find`], [`pause`]) for users.

mod entry;
mod fields;
pub(crate) mod find;
pub(crate) mod history;
pub(crate) mod pause;
mod record_scan;
mod records;
pub(crate) mod registration;
mod schedule;
mod scheduler;
mod tick;
pub(crate) mod view;

pub use entry::{Catchup, Cron, Overlap};
pub(crate) use scheduler::CronScheduler;
pub(crate) use tick::{TickOutcome, enqueue_now};
