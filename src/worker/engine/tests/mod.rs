//! Tests of the engine's rules, one file for each subject; the name of a test is the rule. They speak the language of
//! [`rig`]: a worker without Redis, threads and time, which is told what happens and shows what it does.
//!
//! ```text
//! let mut worker = Rig::new(2);          // Two slots. It sends its first claim at once.
//! worker.claimed(["a", "b"]);            // The reply to the exchange in flight: two jobs, which begin.
//! worker.ends("a", returned());          // The run of one of them ends.
//! assert_eq!(worker.in_flight(), ["a finished, claim 1"]);
//! worker.reply_lost();                   // The connection breaks: Redis has carried out all of it or nothing.
//! ```

mod rig;
mod text;
mod values;

mod burst;
mod claiming;
mod control;
mod deadlines;
mod limits;
mod lost_replies;
mod prefetch;
mod quiet;
mod reconnect;
mod rejections;
mod runs;
mod shutdown;
mod suspension;
mod watchers;
