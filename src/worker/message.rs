//! Messages that other threads send to the dispatcher.

use crate::claim::PoppedId;
use crate::client::Reply;
use crate::error::{Error, Result};

/// A field of a job's record that a run of the job writes.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct JobField {
    pub(crate) id: String,
    pub(crate) execution: String,
    pub(crate) name: &'static str,
}

/// A request to end runs.
#[derive(Debug)]
pub(crate) enum ControlMessage {
    /// Ends a job's run, or only the given execution of it (RQ's command `stop-job`).
    Stop { job: String, execution: Option<String> },
    /// Ends all runs (RQ's command `kill-horse`).
    Kill,
}

/// Number of an exchange with Redis, unique in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExchangeId(pub(crate) u64);

/// A message to the dispatcher.
pub(crate) enum Message {
    /// The requested number of runs has ended; the pool holds their outcomes.
    RunsEnded,
    /// A run writes a field of its job.
    FieldUpdate(JobField, Vec<u8>),
    /// A watcher has moved an id from a queue to the intermediate list.
    Popped(PoppedId),
    /// A watcher's blocking pop ended without an id.
    PopTimedOut { queue: usize },
    /// A watcher's blocking pop failed.
    PopFailed { queue: usize, error: Error },
    /// The heartbeat has found a lease lost, and set the run's cancel flag. The message only wakes the dispatcher.
    LeaseLost,
    /// An exchange is over: the reply to each command, or the error of the connection.
    Replied { exchange: ExchangeId, replies: Result<Vec<Result<Reply>>> },
    /// One run or all runs are to be ended.
    Control(ControlMessage),
    /// The phase of the stopper has changed, or the worker was made quiet or resumed.
    StopperChanged,
}
