//! The dispatcher: the loop of a worker. It claims jobs for the free slots, begins and ends their runs, and sends the
//! completions. Other threads only send it messages: the pool, the watchers, the I/O threads, the heartbeat and the
//! [`Stopper`](super::stop::Stopper).

mod begin;
mod control;
mod deadlines;
mod dispatcher;
mod end;
mod exchange;
mod health;
mod lost_claims;
mod prefetch;
mod replies;
mod run_loop;
mod send;
mod shutdown;

pub(crate) use self::dispatcher::{Dispatcher, WorkerShared};
