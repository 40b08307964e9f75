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
//!
//! | word | meaning |
//! |---|---|
//! | exchange | one round trip with Redis: fields, then completions, then a claim. Each is a script of its own, which Redis carries out or rejects |
//! | execution | one run of a job in Redis; a claim names the ids of its executions |
//! | delivery | a claim of a job, counted by Redis |
//! | completion | the write that ends a run; it waits in the *outbox* until Redis acknowledges it (*ack*), and is *reported* to log, callbacks and statistics then |
//! | fenced | the ack of a completion that changed nothing, because the job has another execution now |
//! | lost claim | a claim whose reply was lost |
//! | unbegun | put back before its run began |
//! | recovery | any worker puts jobs back whose lease has expired |
//! | trouble, back | the events of an outage: it begins, it is over |

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
